// SPDX-License-Identifier: Apache-2.0
// A protocol of length-prefixed records: the first byte of a record is the length of what follows it.
// bpf_msg_cork_bytes() holds a record back until it is complete; bpf_msg_apply_bytes() lets one verdict hold for
// exactly one record, though a send may carry several. Records that start with '!' are dropped.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} sock_map SEC(".maps");

__u32 records;
__u32 dropped;

SEC("sk_msg")
int msg_verdict(struct sk_msg_md *msg)
{
	__u8 *data = msg->data;
	void *end = msg->data_end;
	__u32 record;

	if ((void *)(data + 1) > end)
		return SK_PASS;
	record = data[0] + 1;
	if (msg->size < record) {
		bpf_msg_cork_bytes(msg, record);
		return SK_PASS;
	}
	bpf_msg_apply_bytes(msg, record);
	records++;
	if ((void *)(data + 2) <= end && data[1] == '!') {
		dropped++;
		return SK_DROP;
	}
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
