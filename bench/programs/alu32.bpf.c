// SPDX-License-Identifier: Apache-2.0
// 32-bit arithmetic: the Internet checksum of a pseudo-random stream.
#include "bench.h"

SEC("tc")
int alu32(CTX *ctx)
{
	__u32 x = word_at(ctx, 54) | 1, sum = 0;

	for (int i = 0; i < 1820; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		sum += x & 0xffff;
		sum += x >> 16;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum ^ x;
}
