// SPDX-License-Identifier: Apache-2.0
// Memory: parses the decimal numbers of the packet's payload onto the stack, byte by byte, and sorts them.
#include "bench.h"

#define PAYLOAD 54
#define TEXT 144
#define COUNT 52

SEC("tc")
int mem(CTX *ctx)
{
	unsigned char *text = DATA(ctx) + PAYLOAD;
	volatile unsigned char numbers[COUNT];
	__u32 value = 0, hash = 0;

	if (text + TEXT > DATA_END(ctx))
		return 0;
	for (int i = 0; i < COUNT; i++)
		numbers[i] = 3 * i;
	for (int i = 0; i < TEXT; i++) {
		unsigned char c = text[i];

		if (c >= '0' && c <= '9') {
			value = value * 10 + (c - '0');
			continue;
		}
		numbers[i & 31] ^= value;
		value = 0;
	}
	for (int last = COUNT - 1; last > 0; last--) {
		for (int i = 0; i < last; i++) {
			unsigned char a = numbers[i], b = numbers[i + 1];

			if (a > b) {
				numbers[i] = b;
				numbers[i + 1] = a;
			}
		}
	}
	for (int i = 0; i < COUNT; i++)
		hash = hash * 31 + numbers[i];
	return hash;
}
