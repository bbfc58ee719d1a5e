// SPDX-License-Identifier: Apache-2.0
// Whatever arrives on the socket with local port 10000 is sent on the socket at key 1 instead; the rest passes.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} sock_map SEC(".maps");

__u64 redirected;
__u64 passed;

SEC("sk_skb/stream_parser")
int parser(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("sk_skb/stream_verdict")
int verdict(struct __sk_buff *skb)
{
	if (skb->local_port == 10000) {
		bpf_printk("%d bytes on port %d go to key 1", skb->len, skb->local_port);
		redirected += skb->len;
		return bpf_sk_redirect_map(skb, &sock_map, 1, 0);
	}
	passed += skb->len;
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
