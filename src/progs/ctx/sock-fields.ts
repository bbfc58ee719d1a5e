/** The fields of a socket that contexts show, and how they are laid out there. */
import type { SockTuple } from '../../maps/sock.js';
import type { BpfMemory } from '../../memory/memory.js';

/** Addresses are 4 or 16 bytes in network order; ports are in host order. */
export interface SockFields {
  readonly family: number;
  /** SOCK_STREAM 1, SOCK_DGRAM 2. */
  readonly type: number;
  /** IPPROTO_TCP 6, IPPROTO_UDP 17, 0 for unix. */
  readonly protocol: number;
  /** TCP_ESTABLISHED 1, ..., TCP_LISTEN 10. */
  readonly state: number;
  readonly localIp: Uint8Array;
  readonly remoteIp: Uint8Array;
  readonly localPort: number;
  readonly remotePort: number;
  /** SO_COOKIE; absent where there is no socket behind the fields. */
  readonly cookie?: bigint;
}

/** Offsets of the seven address fields in a context structure; `__sk_buff`, `sk_msg_md` and `bpf_sock_ops` differ. */
export interface AddressLayout {
  readonly family: number;
  readonly remoteIp4: number;
  readonly localIp4: number;
  readonly remoteIp6: number;
  readonly localIp6: number;
  readonly remotePort: number;
  readonly localPort: number;
}

const IPV4_BYTES = 4;

/** Writes an address to the field of its family and zero to the other. */
export function writeIp(memory: BpfMemory, ip4: number, ip6: number, ip: Uint8Array): void {
  const { u8 } = memory;
  const isV4 = ip.length === IPV4_BYTES;
  u8.fill(0, ip6, ip6 + 16);
  if (isV4) u8.set(ip, ip4);
  else {
    u8.fill(0, ip4, ip4 + 4);
    u8.set(ip, ip6);
  }
}

/** `remote_port` holds the big-endian port in its upper half, as the kernel's does on little-endian machines. */
export function remotePortField(port: number): number {
  return (((port & 0xff) << 24) | ((port >>> 8) << 16)) >>> 0;
}

/** Writes the address fields of a context at `base`; without a socket they are zero. */
export function writeAddresses(
  memory: BpfMemory,
  base: number,
  at: AddressLayout,
  sock: SockFields | null,
): void {
  const none = sock === null;
  const { u32 } = memory;
  u32[(base + at.family) >>> 2] = none ? 0 : sock.family;
  u32[(base + at.remotePort) >>> 2] = none ? 0 : remotePortField(sock.remotePort);
  u32[(base + at.localPort) >>> 2] = none ? 0 : sock.localPort;
  writeIp(memory, base + at.remoteIp4, base + at.remoteIp6, none ? NO_IP : sock.remoteIp);
  writeIp(memory, base + at.localIp4, base + at.localIp6, none ? NO_IP : sock.localIp);
}

const NO_IP = new Uint8Array(IPV4_BYTES);

/** Size of `struct bpf_sock`. */
export const BPF_SOCK_SIZE = 80;

/** Fills a `struct bpf_sock` at `base`. */
export function writeBpfSock(memory: BpfMemory, base: number, sock: SockFields): void {
  const { u8, u32 } = memory;
  u8.fill(0, base, base + BPF_SOCK_SIZE);
  u32[(base + 4) >>> 2] = sock.family;
  u32[(base + 8) >>> 2] = sock.type;
  u32[(base + 12) >>> 2] = sock.protocol;
  writeIp(memory, base + 24, base + 28, sock.localIp);
  u32[(base + 44) >>> 2] = sock.localPort;
  // dst_port is the 16-bit port in network order with two bytes of padding.
  u8[base + 48] = sock.remotePort >>> 8;
  u8[base + 49] = sock.remotePort & 0xff;
  writeIp(memory, base + 52, base + 56, sock.remoteIp);
  u32[(base + 72) >>> 2] = sock.state;
  u32[(base + 76) >>> 2] = 0xffff_ffff;
}

const TUPLE4_SIZE = 12;
const TUPLE6_SIZE = 36;

/** A `struct bpf_sock_tuple` of 12 (IPv4) or 36 bytes (IPv6); undefined for other sizes. */
export function readTuple(memory: BpfMemory, at: number, size: number): SockTuple | undefined {
  if (size !== TUPLE4_SIZE && size !== TUPLE6_SIZE) return undefined;
  const ip = size === TUPLE4_SIZE ? 4 : 16;
  const { u8, view } = memory;
  return {
    sourceIp: u8.slice(at, at + ip),
    destIp: u8.slice(at + ip, at + 2 * ip),
    sourcePort: view.getUint16(at + 2 * ip),
    destPort: view.getUint16(at + 2 * ip + 2),
  };
}
