// SPDX-License-Identifier: Apache-2.0
// The other half of link-a.bpf.c.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

extern int helper_of_a(int x);

int shared_counter = 40;
static int own = 9;

__weak int either(int x)
{
	return x - own++;
}

__noinline int helper_of_b(int x)
{
	return helper_of_a(x) + either(1) + own;
}

SEC("sk_msg")
int message(struct sk_msg_md *msg)
{
	return helper_of_b(2) ? bpf_msg_redirect_map(msg, &sockets, 1, 0) : SK_PASS;
}

char _license[] SEC("license") = "GPL";
