// SPDX-License-Identifier: Apache-2.0
// What is sent on any socket of the map reaches the receive queue of the socket at key 1, without the network.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} sock_map SEC(".maps");

SEC("sk_msg")
int msg_verdict(struct sk_msg_md *msg)
{
	return bpf_msg_redirect_map(msg, &sock_map, 1, BPF_F_INGRESS);
}

char LICENSE[] SEC("license") = "GPL";
