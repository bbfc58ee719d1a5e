// SPDX-License-Identifier: Apache-2.0
// Maps declared without BTF: libbpf's old layout, and iproute2's.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_map_def {
	unsigned int type, key_size, value_size, max_entries, map_flags;
};

struct bpf_elf_map {
	unsigned int type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

struct bpf_map_def SEC("maps") sockets = {
	.type = BPF_MAP_TYPE_SOCKMAP,
	.key_size = 4,
	.value_size = 4,
	.max_entries = 20,
};

struct bpf_elf_map SEC("maps") by_key = {
	.type = BPF_MAP_TYPE_HASH,
	.size_key = 8,
	.size_value = 16,
	.max_elem = 3,
	.pinning = 2,
};

int counter = 3;

SEC("sk_skb/stream_verdict")
int verdict(struct __sk_buff *skb)
{
	unsigned long long key = 0;

	counter++;
	bpf_map_lookup_elem(&by_key, &key);
	return bpf_sk_redirect_map(skb, &sockets, 0, 0);
}

char _license[] SEC("license") = "GPL";
