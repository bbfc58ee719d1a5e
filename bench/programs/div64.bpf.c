// SPDX-License-Identifier: Apache-2.0
// 64-bit division and remainder, with divisors of all sizes.
#include "bench.h"

SEC("tc")
int div64(CTX *ctx)
{
	__u64 x = word_at(ctx, 54), sum = 0;

	for (int i = 0; i < 1840; i++) {
		__u64 divisor;

		x = x * 6364136223846793005 + 1442695040888963407;
		divisor = (x >> (i & 63)) | 1;
		sum += x / divisor;
		sum ^= sum % (divisor + i);
	}
	return sum ^ (sum >> 32);
}
