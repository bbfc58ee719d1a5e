// SPDX-License-Identifier: Apache-2.0
// A TCP proxy for any number of connections: each socket is in the map under the ports of its partner, so that what
// arrives on one is sent on the socket that its own ports name. With a parser, which takes data as they come.
//   bpfvm run pairs.bpf.o --pair --key peer_local_port_host,peer_remote_port_host --listen ... --connect ...
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct ports {
	__u32 local;
	__u32 remote;
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, struct ports);
	__type(value, __u64);
} sock_hash SEC(".maps");

SEC("sk_skb/stream_parser")
int parser(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("sk_skb/stream_verdict")
int verdict(struct __sk_buff *skb)
{
	struct ports own = {
		.local = skb->local_port,
		.remote = bpf_ntohl(skb->remote_port),
	};

	return bpf_sk_redirect_hash(skb, &sock_hash, &own, 0);
}

char LICENSE[] SEC("license") = "GPL";
