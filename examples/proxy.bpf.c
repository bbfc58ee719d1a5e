// SPDX-License-Identifier: Apache-2.0
// What arrives on the socket at key 0 leaves on the one at key 1, and the other way round: a TCP proxy.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} sock_map SEC(".maps");

SEC("sk_skb/stream_verdict")
int verdict(struct __sk_buff *skb)
{
	__u32 first = 0;
	struct bpf_sock *sk = bpf_map_lookup_elem(&sock_map, &first);
	int is_first;

	if (!sk)
		return SK_PASS;
	is_first = sk->src_port == skb->local_port && sk->dst_port == skb->remote_port >> 16;
	bpf_sk_release(sk);
	return bpf_sk_redirect_map(skb, &sock_map, is_first, 0);
}

char LICENSE[] SEC("license") = "GPL";
