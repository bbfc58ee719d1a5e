// SPDX-License-Identifier: Apache-2.0
// 64-bit arithmetic: rounds of a multiply-rotate hash over a pseudo-random sequence.
#include "bench.h"

SEC("tc")
int alu64(CTX *ctx)
{
	__u64 word = word_at(ctx, 54), hash = 0x27d4eb2f165667c5;

	for (int i = 0; i < 11000; i++) {
		word = word * 0x5851f42d4c957f2d + 0x14057b7ef767814f;
		hash ^= word;
		hash = hash << 31 | hash >> 33;
		hash = hash * 0x9e3779b185ebca87 + i;
		hash ^= hash >> 29;
	}
	return hash ^ (hash >> 32);
}
