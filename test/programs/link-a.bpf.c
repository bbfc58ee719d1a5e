// SPDX-License-Identifier: Apache-2.0
// Half of a program: link-b.bpf.c defines what this one only declares.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

extern int shared_counter;
extern int helper_of_b(int x);

static int own = 7;

__weak int either(int x)
{
	return x + own++;
}

__noinline int helper_of_a(int x)
{
	return either(x) * 2;
}

SEC("sk_skb/stream_verdict")
int verdict(struct __sk_buff *skb)
{
	return helper_of_b(shared_counter++) > 3 ? SK_DROP : bpf_sk_redirect_map(skb, &sockets, 0, 0);
}

char _license[] SEC("license") = "GPL";
