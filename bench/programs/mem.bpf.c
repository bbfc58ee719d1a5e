// SPDX-License-Identifier: Apache-2.0
// Memory: parses the decimal numbers of the packet's payload onto the stack and sorts them.
#include "bench.h"

#define COUNT 44
#define PAYLOAD 54

SEC("tc")
int mem(CTX *ctx)
{
	unsigned char *data = DATA(ctx), *end = DATA_END(ctx);
	__u32 numbers[COUNT] = {}, value = 0, count = 0, hash = 0;

	for (int i = 0; i < 144; i++) {
		unsigned char *at = data + PAYLOAD + i;

		if (at + 1 > end)
			break;
		if (*at >= '0' && *at <= '9') {
			value = value * 10 + (*at - '0');
		} else {
			numbers[count & 31] = value;
			count++;
			value = 0;
		}
	}
	for (int i = 32; i < COUNT; i++)
		numbers[i] = (numbers[i - 32] ^ numbers[i - 17]) & 0xffff;
	for (int last = COUNT - 1; last > 0; last--) {
		for (int i = 0; i < last; i++) {
			volatile __u32 *pair = &numbers[i];
			__u32 a = pair[0], b = pair[1];

			if (a > b) {
				pair[0] = b;
				pair[1] = a;
			}
		}
	}
	for (int i = 0; i < COUNT; i++)
		hash = hash * 31 + ((volatile __u32 *)numbers)[i];
	return hash;
}
