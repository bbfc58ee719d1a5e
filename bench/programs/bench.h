/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workloads compile for BPF and, for comparison, for the machine itself (NATIVE): there the context holds pointers
 * and the one map is an array. All read their seed from the packet, so that no compiler can run them in advance.
 */
#ifndef BENCH_H
#define BENCH_H

#include <linux/types.h>

#define noinline __attribute__((noinline))

#ifdef NATIVE

struct packet {
	unsigned char *data, *data_end;
};
#define SEC(name)
#define CTX struct packet
#define DATA(ctx) ((ctx)->data)
#define DATA_END(ctx) ((ctx)->data_end)

#else

#include <linux/bpf.h>

#define SEC(name) __attribute__((section(name), used))
#define CTX struct __sk_buff
#define DATA(ctx) ((unsigned char *)(long)(ctx)->data)
#define DATA_END(ctx) ((unsigned char *)(long)(ctx)->data_end)
#define LICENSE char _license[] SEC("license") = "Dual MIT/GPL"

LICENSE;

#endif

/* The 8 bytes at `at` of the packet, or 0 where it is shorter. */
static inline __attribute__((always_inline)) __u64 word_at(CTX *ctx, int at)
{
	unsigned char *data = DATA(ctx);

	if (data + at + 8 > DATA_END(ctx))
		return 0;
	return *(__u64 *)(data + at);
}

#endif
