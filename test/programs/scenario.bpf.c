// SPDX-License-Identifier: Apache-2.0
// Programs that do what `cfg` says and note each run in `evs`: the scenarios of test/net drive them, here and on a
// live kernel.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define EVENTS 512
#define VERDICTS 16

#define SOCKETS(map_type, name)                                                                                        \
	struct {                                                                                                       \
		__uint(type, map_type);                                                                                \
		__uint(max_entries, 16);                                                                               \
		__type(key, __u32);                                                                                    \
		__type(value, __u64);                                                                                  \
	} name SEC(".maps")

/* Programs are attached to src_map; the others only name targets. */
SOCKETS(BPF_MAP_TYPE_SOCKMAP, src_map);
SOCKETS(BPF_MAP_TYPE_SOCKMAP, dst_map);
SOCKETS(BPF_MAP_TYPE_SOCKHASH, dst_hash);

enum { MSG = 1, PARSER, STREAM_VERDICT, SKB_VERDICT };

struct event {
	int prog;
	__u32 size, dlen;
	int apply, cork, pull, push, pop;
	__u32 dlen2;
	int ret;
	__u32 lport, rport;
};

volatile struct {
	int apply, cork;
	int pull, pull_start, pull_end;
	int push, push_start, push_len;
	int pop, pop_start, pop_len;
	int key, flags, hash;
	/* Run n gets verdicts[n], the last one for all later runs: 2 redirects, others are returned. */
	int verdict_count, verdicts[VERDICTS];
	/* 0: skb->len; 1: parser_value; 2: big-endian u32 at the start; 3: parser_value once that much is there. */
	int parser_mode, parser_value;
	/* Bytes that the verdict program pulls. */
	int verdict_pull;
} cfg;

struct event evs[EVENTS];
__u32 nev;
__u32 nrun;

static __attribute__((noinline)) int data_len(struct __sk_buff *skb)
{
	void *end = (void *)(long)skb->data_end, *data = (void *)(long)skb->data;

	asm volatile("" : "+r"(end), "+r"(data));
	return end - data;
}

static __always_inline void note(struct event *event)
{
	__u32 n = nev;

	if (n < EVENTS) {
		evs[n] = *event;
		nev = n + 1;
	}
}

static __always_inline int next_verdict(__u32 run)
{
	__u32 index = run;

	if (!cfg.verdict_count)
		return SK_PASS;
	if (index >= cfg.verdict_count)
		index = cfg.verdict_count - 1;
	return index < VERDICTS ? cfg.verdicts[index] : SK_PASS;
}

/* Makes pushed bytes visible to receivers. */
static __always_inline void fill(struct sk_msg_md *msg)
{
	char *data, *end;
	__u32 i;

	if (bpf_msg_pull_data(msg, cfg.push_start, cfg.push_start + cfg.push_len, 0))
		return;
	data = (void *)(long)msg->data;
	end = (void *)(long)msg->data_end;
	for (i = 0; i < 16 && i < cfg.push_len; i++) {
		if (data + i + 1 > end)
			break;
		data[i] = '#';
	}
}

SEC("sk_msg")
int msg_prog(struct sk_msg_md *msg)
{
	struct event event = {.prog = MSG};
	__u32 run = nrun++;
	int verdict;

	event.size = msg->size;
	event.dlen = (long)msg->data_end - (long)msg->data;
	event.lport = msg->local_port;
	event.rport = bpf_ntohl(msg->remote_port);
	if (cfg.apply)
		event.apply = bpf_msg_apply_bytes(msg, cfg.apply);
	if (cfg.cork)
		event.cork = bpf_msg_cork_bytes(msg, cfg.cork);
	if (cfg.pull)
		event.pull = bpf_msg_pull_data(msg, cfg.pull_start, cfg.pull_end, 0);
	if (cfg.push)
		event.push = bpf_msg_push_data(msg, cfg.push_start, cfg.push_len, 0);
	if (cfg.push)
		fill(msg);
	if (cfg.pop)
		event.pop = bpf_msg_pop_data(msg, cfg.pop_start, cfg.pop_len, 0);
	event.dlen2 = (long)msg->data_end - (long)msg->data;
	verdict = next_verdict(run);
	if (verdict == 2) {
		__u32 key = cfg.key;

		event.ret = cfg.hash ? bpf_msg_redirect_hash(msg, &dst_hash, &key, cfg.flags) :
				       bpf_msg_redirect_map(msg, &dst_map, key, cfg.flags);
	} else {
		event.ret = verdict;
	}
	note(&event);
	return event.ret;
}

SEC("sk_skb/stream_parser")
int parser(struct __sk_buff *skb)
{
	struct event event = {.prog = PARSER};
	__u32 prefix;
	int length = skb->len;

	event.size = skb->len;
	event.dlen = data_len(skb);
	event.lport = skb->local_port;
	event.rport = bpf_ntohl(skb->remote_port);
	if (cfg.parser_mode == 1)
		length = cfg.parser_value;
	else if (cfg.parser_mode == 2)
		length = skb->len < 4 || bpf_skb_load_bytes(skb, 0, &prefix, 4) ? 0 : bpf_ntohl(prefix);
	else if (cfg.parser_mode == 3)
		length = skb->len >= cfg.parser_value ? cfg.parser_value : 0;
	event.ret = length;
	note(&event);
	return length;
}

static __always_inline int judge(struct __sk_buff *skb, int which)
{
	struct event event = {.prog = which};
	__u32 run = nrun++;
	int verdict;

	event.size = skb->len;
	event.dlen = data_len(skb);
	event.lport = skb->local_port;
	event.rport = bpf_ntohl(skb->remote_port);
	if (cfg.verdict_pull) {
		event.pull = bpf_skb_pull_data(skb, cfg.verdict_pull);
		event.dlen2 = data_len(skb);
	}
	verdict = next_verdict(run);
	if (verdict == 2) {
		__u32 key = cfg.key;

		event.ret = cfg.hash ? bpf_sk_redirect_hash(skb, &dst_hash, &key, cfg.flags) :
				       bpf_sk_redirect_map(skb, &dst_map, key, cfg.flags);
	} else {
		event.ret = verdict;
	}
	note(&event);
	return event.ret;
}

SEC("sk_skb/stream_verdict")
int stream_verdict(struct __sk_buff *skb)
{
	return judge(skb, STREAM_VERDICT);
}

SEC("sk_skb")
int skb_verdict(struct __sk_buff *skb)
{
	return judge(skb, SKB_VERDICT);
}

char LICENSE[] SEC("license") = "GPL";
