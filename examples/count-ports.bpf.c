// SPDX-License-Identifier: Apache-2.0
// Counts TCP and UDP packets by destination port and drops those to port 23. Needs no helper but the array lookup.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

const volatile __u16 blocked_port = 23;
__u64 blocked;

SEC("xdp")
int count_ports(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	__u16 *ports = (void *)(ip + 1);
	__u64 *count;
	__u32 port;

	if ((void *)(ports + 2) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5)
		return XDP_PASS;
	if (ip->protocol != 6 && ip->protocol != 17)
		return XDP_PASS;
	port = bpf_ntohs(ports[1]);
	count = bpf_map_lookup_elem(&packets, &port);
	if (count)
		*count += 1;
	if (port != blocked_port)
		return XDP_PASS;
	blocked++;
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
