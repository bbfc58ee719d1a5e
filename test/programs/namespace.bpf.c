// SPDX-License-Identifier: Apache-2.0
// Programs that a network namespace runs: one that puts connections into maps, and those that choose who receives.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct ports {
	__u32 local;
	__u32 remote;
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, struct ports);
	__type(value, __u64);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

/* Operations in the order in which they came, and what entering a map gave. */
__u32 ops[32];
int results[32];
__u32 count;
/* For the programs that choose: key in `listeners`, flags of bpf_sk_assign, what it gave, what is returned. */
__u32 choice;
__u64 assign_flags;
int assigned;
int answer = SK_PASS;

SEC("sockops")
int fill(struct bpf_sock_ops *ctx)
{
	struct ports key = {.local = ctx->local_port, .remote = bpf_ntohl(ctx->remote_port)};
	int result = bpf_sock_hash_update(ctx, &connections, &key, BPF_NOEXIST);
	__u32 n = count & 31;

	ops[n] = ctx->op;
	results[n] = result;
	count++;
	if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	return 1;
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	__u32 key = choice;
	struct bpf_sock *sk = bpf_map_lookup_elem(&listeners, &key);

	if (!sk)
		return answer & 1;
	assigned = bpf_sk_assign(ctx, sk, assign_flags);
	bpf_sk_release(sk);
	return answer & 1;
}

SEC("sk_reuseport")
int balance(struct sk_reuseport_md *ctx)
{
	__u32 key = choice;

	assigned = bpf_sk_select_reuseport(ctx, &listeners, &key, 0);
	return assigned ? SK_DROP : SK_PASS;
}

SEC("sk_skb/stream_verdict")
int echo(struct __sk_buff *skb)
{
	struct ports key = {.local = skb->local_port, .remote = bpf_ntohl(skb->remote_port)};

	return bpf_sk_redirect_hash(skb, &connections, &key, 0);
}

char LICENSE[] SEC("license") = "GPL";
