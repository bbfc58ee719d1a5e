// SPDX-License-Identifier: Apache-2.0
// Globals of every section, kernel-config values, a program array and an array of maps filled by the object.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 step = 1;
__u64 counter = 40;
__u16 small;
char text[8] = "abc";
extern int CONFIG_HZ __kconfig;
extern unsigned LINUX_KERNEL_VERSION __kconfig;
extern int CONFIG_OPTIONAL __kconfig __weak;

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} inner_a SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = &inner_a } };

int target(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__array(values, int (struct __sk_buff *));
} calls SEC(".maps") = { .values = { [1] = &target } };

SEC("socket")
int add(struct __sk_buff *skb)
{
	__u32 slot = 1, zero = 0;
	void *inner = bpf_map_lookup_elem(&outer, &slot);
	__u64 *value;

	counter += step;
	small = CONFIG_HZ + CONFIG_OPTIONAL;
	if (!inner)
		return -1;
	value = bpf_map_lookup_elem(inner, &zero);
	if (!value)
		return -2;
	*value = LINUX_KERNEL_VERSION;
	return counter;
}

SEC("socket")
int target(struct __sk_buff *skb)
{
	return 77;
}

SEC("socket")
int jump(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &calls, 1);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
