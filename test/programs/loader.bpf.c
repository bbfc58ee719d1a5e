// SPDX-License-Identifier: Apache-2.0
// One of everything that the loader has to understand. It is read and relocated by tests, never run.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

enum color { RED = 1, GREEN = 7 };

struct value {
	struct bpf_spin_lock lock;
	char name[8];
	enum color color;
	_Bool on;
	__u64 count;
	__s16 minus;
	unsigned low : 3, high : 5;
	struct {
		__u32 inner;
	};
	int *ptr;
};

/* Both styles of declaring sizes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct value);
} typed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 20);
	__uint(key_size, 12);
	__uint(value_size, 8);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} sized SEC(".maps");

struct inner_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, int);
} inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, int);
	__array(values, struct inner_map);
} outer SEC(".maps") = { .values = { [2] = &inner } };

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 5000);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100);
	__type(value, __u32);
	__uint(map_extra, 3);
} bloom SEC(".maps");

int pass(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = { .values = { [1] = (void *)&pass } };

struct value initialized = { .name = "seven", .color = GREEN, .count = 1ull << 40, .minus = -2, .high = 9, .inner = 5 };
const volatile int limit = 42;
int counter;
static int hidden_counter;
int special SEC(".data.special") = 3;

extern unsigned long long CONFIG_HZ __kconfig;
extern _Bool CONFIG_BPF_SYSCALL __kconfig __weak;
extern const int some_variable __ksym __weak;
extern const void some_symbol __ksym __weak;
extern int missing_kfunc(int a) __ksym __weak;

static __noinline int leaf(int x)
{
	return x * 3 + hidden_counter++;
}

__noinline int middle(int x)
{
	return leaf(x) + leaf(x + 1);
}

static long callback(__u32 index, void *ctx)
{
	return leaf(index) > 5;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	counter += special;
	return counter > limit ? XDP_PASS : middle(counter);
}

SEC("?tc")
int optional(struct __sk_buff *skb)
{
	int key = 0;

	bpf_loop(3, callback, &key, 0);
	bpf_map_delete_elem(&typed, &key);
	return leaf(1) + (initialized.color == RED);
}

SEC("socket")
int externs(struct __sk_buff *skb)
{
	int sum = (int)CONFIG_HZ + CONFIG_BPF_SYSCALL;

	if (&some_variable)
		sum++;
	if (&some_symbol)
		sum += 2;
	if (missing_kfunc)
		sum += missing_kfunc(sum);
	return sum;
}

/* The target has these fields elsewhere, or not at all. */
struct sk_msg_md___moved {
	__u64 padding;
	__u32 size;
	__u32 never_there;
} __attribute__((preserve_access_index));

struct nothing_like_it {
	int x;
} __attribute__((preserve_access_index));

SEC("sk_msg")
int relocated(struct sk_msg_md *msg)
{
	struct sk_msg_md___moved *moved = (void *)msg;
	int sum = moved->size;

	if (bpf_core_field_exists(moved->never_there))
		sum += moved->never_there;
	if (bpf_core_type_exists(struct nothing_like_it))
		sum += bpf_core_type_size(struct nothing_like_it);
	return sum + bpf_core_type_size(struct sk_msg_md___moved);
}

SEC("unknown_section")
int untyped(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
