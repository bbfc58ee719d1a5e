// SPDX-License-Identifier: Apache-2.0
/* The mistakes that people make, one a program: what `bpfvm verify` has to explain. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, char[16]);
} buffer SEC(".maps");

SEC("xdp")
int missing_null_check(struct xdp_md *ctx)
{
	__u32 key = 1;
	__u64 *count = bpf_map_lookup_elem(&counters, &key);

	*count += 1;
	return XDP_PASS;
}

SEC("xdp")
int missing_bounds_check(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	return eth->h_proto == 8 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int off_by_one(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;

	if (data + 13 > (__u8 *)end)
		return XDP_DROP;
	return data[13] ? XDP_PASS : XDP_DROP;
}

SEC("tc")
int uninitialised(struct __sk_buff *skb)
{
	int result;

	asm volatile("%0 = r8" : "=r"(result));
	return result;
}

SEC("tc")
int unreleased_socket(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);

	return sk ? 1 : 0;
}

SEC("sk_msg")
int wrong_helper(struct sk_msg_md *msg)
{
	return bpf_skb_pull_data((void *)msg, 10);
}

SEC("cgroup/dev")
int leaked_pointer(struct bpf_cgroup_dev_ctx *ctx)
{
	return (long)ctx;
}

SEC("tc")
int unbounded_loop(struct __sk_buff *skb)
{
	volatile int run = 1;

	while (run)
		;
	return 0;
}

SEC("cgroup_skb/ingress")
int bad_return(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("xdp")
int readonly_field(struct xdp_md *ctx)
{
	ctx->rx_queue_index = 0;
	return XDP_PASS;
}

SEC("xdp")
int unbounded_index(struct xdp_md *ctx)
{
	__u32 key = 0;
	char *value = bpf_map_lookup_elem(&buffer, &key);
	__u32 index = ctx->rx_queue_index;

	return value ? value[index] : 0;
}

char _license[] SEC("license") = "GPL";
