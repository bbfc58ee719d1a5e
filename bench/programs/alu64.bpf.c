// SPDX-License-Identifier: Apache-2.0
// 64-bit arithmetic: the splitmix64 sequence folded into a multiplicative hash.
#include "bench.h"

SEC("tc")
int alu64(CTX *ctx)
{
	__u64 seed = word_at(ctx, 54), hash = 0xcbf29ce484222325;

	for (int i = 0; i < 11000; i++) {
		__u64 z = seed += 0x9e3779b97f4a7c15;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
		z ^= z >> 31;
		hash = (hash ^ z) * 0x100000001b3;
	}
	return hash ^ (hash >> 32);
}
