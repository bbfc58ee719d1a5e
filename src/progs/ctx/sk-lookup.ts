/** Contexts of the programs that choose the socket for what arrives: sk_lookup and sk_reuseport. */
import { Errno } from '../../errors.js';
import type { ProgSubject, Sock, SockTuple } from '../../maps/sock.js';
import type { SelectCtx } from './contexts.js';
import type { PacketArea } from './packet-area.js';
import { writeIp } from './sock-fields.js';

/** Offsets in `struct bpf_sk_lookup` (UAPI). */
const LOOKUP = {
  /** 8 bytes: the selected socket, or its cookie for a test run. */
  sk: 0,
  family: 8,
  protocol: 12,
  remoteIp4: 16,
  remoteIp6: 20,
  /** 16 bits in network order. */
  remotePort: 36,
  localIp4: 40,
  localIp6: 44,
  localPort: 60,
  ingressIfindex: 64,
  size: 72,
} as const;

/** Offsets in `struct sk_reuseport_md` (UAPI). */
const REUSEPORT = {
  /** 8 bytes each. */
  data: 0,
  dataEnd: 8,
  len: 16,
  ethProtocol: 20,
  ipProtocol: 24,
  bindInany: 28,
  hash: 32,
  /** 8 bytes each. */
  sk: 40,
  migratingSk: 48,
  size: 56,
} as const;

const AF_INET = 2;
const AF_INET6 = 10;
const LOOPBACK_IFINDEX = 1;
/** sk_assign: replace an earlier selection, and do not ask its reuseport group. */
const FLAG_REPLACE = 1;
const FLAG_NO_REUSEPORT = 2;

/** Behind `bpf_sk_lookup`. */
export class SkLookup implements SelectCtx, ProgSubject {
  ctx = 0;
  selected: Sock | null = null;
  noReuseport = false;
  private readonly area: PacketArea;
  private readonly protocol: number;
  private readonly tuple: SockTuple;

  constructor(area: PacketArea, protocol: number, tuple: SockTuple) {
    this.area = area;
    this.protocol = protocol;
    this.tuple = tuple;
  }

  enter(selectedAddress: number): void {
    const { memory } = this.area;
    const { tuple } = this;
    this.ctx = this.area.context(LOOKUP.size, 'bpf_sk_lookup');
    const { ctx } = this;
    memory.u32.fill(0, ctx >>> 2, (ctx + LOOKUP.size) >>> 2);
    memory.u32[(ctx + LOOKUP.sk) >>> 2] = selectedAddress;
    memory.u32[(ctx + LOOKUP.family) >>> 2] = tuple.destIp.length === 4 ? AF_INET : AF_INET6;
    memory.u32[(ctx + LOOKUP.protocol) >>> 2] = this.protocol;
    writeIp(memory, ctx + LOOKUP.remoteIp4, ctx + LOOKUP.remoteIp6, tuple.sourceIp);
    memory.view.setUint16(ctx + LOOKUP.remotePort, tuple.sourcePort);
    writeIp(memory, ctx + LOOKUP.localIp4, ctx + LOOKUP.localIp6, tuple.destIp);
    memory.u32[(ctx + LOOKUP.localPort) >>> 2] = tuple.destPort;
    memory.u32[(ctx + LOOKUP.ingressIfindex) >>> 2] = LOOPBACK_IFINDEX;
  }

  /** bpf_sk_assign: 0, -EINVAL, -ESOCKTNOSUPPORT, -EPROTOTYPE, -EAFNOSUPPORT or -EEXIST. */
  assign(sock: Sock | null, address: number, flags: number): number {
    if ((flags & ~(FLAG_REPLACE | FLAG_NO_REUSEPORT)) !== 0) return -Errno.EINVAL;
    if (sock !== null) {
      if (!sock.receivesNew) return -Errno.ESOCKTNOSUPPORT;
      if (sock.protocol !== this.protocol) return -Errno.EPROTOTYPE;
      const family = this.tuple.destIp.length === 4 ? AF_INET : AF_INET6;
      if (sock.family !== family) return -Errno.EAFNOSUPPORT;
    }
    if (this.selected !== null && (flags & FLAG_REPLACE) === 0) return -Errno.EEXIST;
    this.selected = sock;
    this.noReuseport = (flags & FLAG_NO_REUSEPORT) !== 0;
    this.area.memory.u32[(this.ctx + LOOKUP.sk) >>> 2] = address;
    return 0;
  }

  /** Only for sk_reuseport. */
  selectReuseport(): number {
    return -Errno.EINVAL;
  }
}

/** Behind `sk_reuseport_md`. */
export class SkReuseport implements SelectCtx, ProgSubject {
  ctx = 0;
  selected: Sock | null = null;
  private readonly area: PacketArea;
  private readonly group: object;
  private readonly protocol: number;
  private readonly hash: number;

  constructor(area: PacketArea, group: object, protocol: number, hash: number) {
    this.area = area;
    this.group = group;
    this.protocol = protocol;
    this.hash = hash;
  }

  /** `sockAddress` is that of a member of the group; `family` decides eth_protocol. */
  enter(sockAddress: number, family: number): void {
    const { memory } = this.area;
    this.ctx = this.area.context(REUSEPORT.size, 'sk_reuseport_md');
    const { ctx } = this;
    memory.u32.fill(0, ctx >>> 2, (ctx + REUSEPORT.size) >>> 2);
    memory.u32[(ctx + REUSEPORT.data) >>> 2] = this.area.start;
    memory.u32[(ctx + REUSEPORT.dataEnd) >>> 2] = this.area.start;
    memory.u32[(ctx + REUSEPORT.ethProtocol) >>> 2] = family === AF_INET ? 0x0008 : 0xdd86;
    memory.u32[(ctx + REUSEPORT.ipProtocol) >>> 2] = this.protocol;
    memory.u32[(ctx + REUSEPORT.hash) >>> 2] = this.hash;
    memory.u32[(ctx + REUSEPORT.sk) >>> 2] = sockAddress;
  }

  assign(): number {
    return -Errno.EINVAL;
  }

  /** bpf_sk_select_reuseport: only members of the group can be chosen. */
  selectReuseport(sock: Sock | undefined): number {
    if (sock === undefined) return -Errno.ENOENT;
    if (sock.group === null || sock.group === undefined) return -Errno.EINVAL;
    if (sock.protocol !== this.protocol) return -Errno.EPROTOTYPE;
    if (sock.group !== this.group) return -EBADFD;
    this.selected = sock;
    return 0;
  }
}

const EBADFD = 77;
