// SPDX-License-Identifier: Apache-2.0
// Calls from function to function.
#include "bench.h"

static noinline __u32 mix(__u32 a, __u32 b)
{
	a ^= b;
	return (a << 7 | a >> 25) + b;
}

static noinline __u32 step(__u32 a, __u32 b)
{
	__u32 mixed = mix(a, b + 1);

	return mixed * 5 + a;
}

SEC("tc")
int calls(CTX *ctx)
{
	__u32 a = word_at(ctx, 54), b = a >> 3;

	for (int i = 0; i < 127; i++) {
		b = step(a, b);
		a += b ^ i;
	}
	return a;
}
