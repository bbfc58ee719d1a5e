// SPDX-License-Identifier: Apache-2.0
// Helper calls: 500 lookups in an array map; each value read decides on the next key.
#include "bench.h"

#define ENTRIES 64

#ifdef NATIVE

static __u64 values[ENTRIES];

static noinline void *bpf_map_lookup_elem(void *map, const __u32 *key)
{
	return *key < ENTRIES ? &((__u64 *)map)[*key] : 0;
}

#else

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*max_entries)[ENTRIES];
	__u32 *key;
	__u64 *value;
} values SEC(".maps");

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;

#endif

SEC("tc")
int helper(CTX *ctx)
{
	__u64 x = word_at(ctx, 54);
	__u32 key = x & (ENTRIES - 1);

	for (int i = 0; i < 500; i++) {
		__u64 *value = bpf_map_lookup_elem(&values, &key);

		if (!value)
			return 0;
		x = x * 3 + *value;
		*value = x >> 7;
		key = (key + x) & (ENTRIES - 1);
	}
	return x ^ (x >> 32);
}
