// SPDX-License-Identifier: Apache-2.0
// A SOCKHASH keyed by addresses and ports: what arrives on a connection is echoed on the same connection, found
// by its key. Addresses and ports are in network byte order, as the fields of __sk_buff give them.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct socket_key {
	__u32 src_ip;
	__u32 dst_ip;
	__u32 src_port;
	__u32 dst_port;
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 16);
	__type(key, struct socket_key);
	__type(value, __u64);
} sock_hash SEC(".maps");

SEC("sk_skb/stream_verdict")
int verdict(struct __sk_buff *skb)
{
	struct socket_key key = {
		.src_ip = skb->remote_ip4,
		.dst_ip = skb->local_ip4,
		.src_port = skb->remote_port >> 16,
		.dst_port = bpf_htonl(skb->local_port) >> 16,
	};

	return bpf_sk_redirect_hash(skb, &sock_hash, &key, 0);
}

char LICENSE[] SEC("license") = "GPL";
