// SPDX-License-Identifier: Apache-2.0
// A packet filter: Ethernet, IPv4, TCP to a verdict. Accepts TCP to port 80 or 443 of one network with SYN not set.
#include "bench.h"

#define be16(at) ((__u32)(at)[0] << 8 | (at)[1])
#define be32(at) (be16(at) << 16 | be16((at) + 2))

SEC("tc")
int filter(CTX *ctx)
{
	unsigned char *data = DATA(ctx), *end = DATA_END(ctx), *ip = data + 14, *tcp;
	__u32 port;

	if (ip + 20 > end || be16(data + 12) != 0x0800)
		return 0;
	if (ip[0] != 0x45 || ip[9] != 6 || (be16(ip + 6) & 0x1fff) != 0)
		return 0;
	if ((be32(ip + 16) & 0xffffff00) != 0xc0a80100)
		return 0;
	tcp = ip + 20;
	if (tcp + 20 > end || (tcp[13] & 2) != 0)
		return 0;
	port = be16(tcp + 2);
	if (port != 80 && port != 443)
		return 0;
	return (tcp[12] >> 4) * 4 + port;
}
