/** The context of sock_ops programs: what happened to which TCP socket. */
import type { ProgSubject, Sock } from '../../maps/sock.js';
import type { SockOpsCtx } from './contexts.js';
import type { PacketArea } from './packet-area.js';
import type { AddressLayout, SockFields } from './sock-fields.js';
import { writeAddresses } from './sock-fields.js';

/** What sock_ops programs are told (`BPF_SOCK_OPS_*`, UAPI). */
export const SockOp = {
  TIMEOUT_INIT: 1,
  RWND_INIT: 2,
  TCP_CONNECT_CB: 3,
  ACTIVE_ESTABLISHED_CB: 4,
  PASSIVE_ESTABLISHED_CB: 5,
  NEEDS_ECN: 6,
  BASE_RTT: 7,
  RTO_CB: 8,
  RETRANS_CB: 9,
  STATE_CB: 10,
  TCP_LISTEN_CB: 11,
} as const;

/** Callback flag of a socket: STATE_CB is called. */
export const STATE_CB_FLAG = 1 << 2;

/** Offsets in `struct bpf_sock_ops` (UAPI). */
export const SOCK_OPS = {
  op: 0,
  /** Four words; the first is the reply. */
  args: 4,
  family: 20,
  remoteIp4: 24,
  localIp4: 28,
  remoteIp6: 32,
  localIp6: 48,
  remotePort: 64,
  localPort: 68,
  isFullsock: 72,
  cbFlags: 84,
  state: 88,
  /** 8 bytes. */
  sk: 184,
  size: 224,
} as const;

const ADDRESSES: AddressLayout = SOCK_OPS;

/** A socket that sock_ops programs are told about. */
export interface SockOpsSock extends Sock, Omit<SockFields, 'cookie'> {
  /** BPF_SOCK_OPS_*_CB_FLAG bits that a program has set. */
  cbFlags: number;
}

export class SockOps implements SockOpsCtx, ProgSubject {
  ctx = 0;
  readonly op: number;
  readonly sock: SockOpsSock;
  private readonly args: readonly number[];
  private readonly area: PacketArea;

  constructor(area: PacketArea, sock: SockOpsSock, op: number, args: readonly number[] = []) {
    this.area = area;
    this.sock = sock;
    this.op = op;
    this.args = args;
  }

  /** Fills the context; `sockAddress` is that of the socket's `struct bpf_sock`. */
  enter(sockAddress: number): void {
    const { memory } = this.area;
    this.ctx = this.area.context(SOCK_OPS.size, 'bpf_sock_ops');
    const at = this.ctx >>> 2;
    memory.u32.fill(0, at, at + (SOCK_OPS.size >>> 2));
    memory.u32[at + (SOCK_OPS.op >>> 2)] = this.op;
    this.args.forEach((value, index) => {
      memory.u32[at + (SOCK_OPS.args >>> 2) + index] = value;
    });
    writeAddresses(memory, this.ctx, ADDRESSES, this.sock);
    memory.u32[at + (SOCK_OPS.isFullsock >>> 2)] = 1;
    memory.u32[at + (SOCK_OPS.cbFlags >>> 2)] = this.sock.cbFlags;
    memory.u32[at + (SOCK_OPS.state >>> 2)] = this.sock.state;
    memory.u32[at + (SOCK_OPS.sk >>> 2)] = sockAddress;
  }

  /** bpf_sock_ops_cb_flags_set: the bits that are not known, or 0. */
  setCbFlags(flags: number): number {
    this.sock.cbFlags = flags & ALL_CB_FLAGS;
    this.area.memory.u32[(this.ctx + SOCK_OPS.cbFlags) >>> 2] = this.sock.cbFlags;
    return flags & ~ALL_CB_FLAGS;
  }
}

const ALL_CB_FLAGS = 0x7f;
