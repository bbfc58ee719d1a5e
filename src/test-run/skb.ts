/** Test runs on `__sk_buff`: tc, socket filter, cgroup and tunnels. */
import { Errno } from '../errors.js';
import { RegionKind } from '../memory/memory.js';
import { ETH_HLEN, PacketSkb, swap16 } from '../progs/ctx/packet-skb.js';
import { SKB } from '../progs/ctx/sk-buff.js';
import { BPF_SOCK_SIZE, writeAddresses, writeBpfSock } from '../progs/ctx/sock-fields.js';
import type { SockFields } from '../progs/ctx/sock-fields.js';
import { progTypeRow } from '../progs/prog-table.js';
import { ProgType } from '../progs/prog-types.js';
import type { TestRunJob, TestRunOutcome } from '../test-run.js';
import { contextIn, isZero, refuse, repeatRun } from './job.js';

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const ETH_P_802_3_MIN = 0x0600;
const ETH_P_802_3 = 0x0001;
const ETH_P_802_2 = 0x0004;
const AF_INET = 2;
const AF_INET6 = 10;
const TCP_CLOSE = 7;
const LOOPBACK = 1;
const GSO_MAX_SIZE = 65536;
const GSO_MAX_SEGS = 0xffff;

/** Types that see the Ethernet header. */
const SEES_MAC: readonly ProgType[] = [ProgType.SchedCls, ProgType.SchedAct];

export function runSkb(job: TestRunJob): TestRunOutcome {
  const { host, program, dataIn } = job;
  if (dataIn.length < ETH_HLEN) refuse(job, Errno.EINVAL, `${dataIn.length} bytes, ${ETH_HLEN} at least`);
  const ctx = contextIn(job, SKB.size);
  const skb = new PacketSkb(host.memory, dataIn);
  const socket = host.memory.alloc(BPF_SOCK_SIZE, RegionKind.Sock, { label: 'bpf_sock', writable: false });
  const { run } = host;
  const outer = run.testSocket;
  run.testSocket = { address: socket.base };
  try {
    skb.readOnly = progTypeRow(program.progType)?.packet !== 'write';
    receive(job, skb, socket.base);
    if (SEES_MAC.includes(program.progType)) skb.networkAt = skb.data + ETH_HLEN;
    else skb.pull(ETH_HLEN);
    skb.sync();
    if (ctx !== null) applyContext(job, skb, ctx);
    const { retval, durationNs } = repeatRun(job, () => program.run(skb));
    if (!SEES_MAC.includes(program.progType)) skb.push(ETH_HLEN);
    if (ctx !== null) readContext(skb, ctx);
    return { retval, durationNs, dataOut: skb.bytes(), ctxOut: ctx };
  } finally {
    run.testSocket = outer;
    skb.destroy();
    host.memory.free(socket);
  }
}

/** What the stack knows of a frame that came in over loopback: its protocol, its kind, and a socket of its addresses. */
function receive(job: TestRunJob, skb: PacketSkb, sockAddress: number): void {
  const { memory } = job.host;
  skb.protocol = etherType(job.dataIn);
  skb.pktType = packetType(job.dataIn);
  const sock = sockOf(job, swap16(skb.protocol));
  skb.setField(SKB.ifindex, LOOPBACK);
  writeAddresses(memory, skb.ctx, SKB, sock);
  writeBpfSock(memory, sockAddress, sock);
  skb.setField(SKB.sk, sockAddress);
}

/** In network order, as the context shows it. */
function etherType(frame: Uint8Array): number {
  const type = (frame[12] << 8) | frame[13];
  if (type >= ETH_P_802_3_MIN) return swap16(type);
  // Raw 802.3 of IPX starts with all ones.
  const raw = frame.length >= ETH_HLEN + 2 && frame[14] === 0xff && frame[15] === 0xff;
  return swap16(raw ? ETH_P_802_3 : ETH_P_802_2);
}

/** By the destination, where the loopback device's own address is all zeros. */
function packetType(frame: Uint8Array): number {
  const target = frame.subarray(0, 6);
  if (target.every((byte) => byte === 0xff)) return 1;
  if ((target[0] & 1) !== 0) return 2;
  return target.every((byte) => byte === 0) ? 0 : 3;
}

const NO_IP = new Uint8Array(4);

function sockOf(job: TestRunJob, protocol: number): SockFields {
  const header = job.dataIn.subarray(ETH_HLEN);
  const sock = { family: 0, type: 0, protocol: 0, state: TCP_CLOSE, localPort: 0, remotePort: 0 };
  if (protocol === ETH_P_IP) {
    if (header.length < 20) refuse(job, Errno.EINVAL, 'no room for an IPv4 header');
    return { ...sock, family: AF_INET, localIp: header.slice(12, 16), remoteIp: header.slice(16, 20) };
  }
  if (protocol === ETH_P_IPV6) {
    if (header.length < 40) refuse(job, Errno.EINVAL, 'no room for an IPv6 header');
    return { ...sock, family: AF_INET6, localIp: header.slice(8, 24), remoteIp: header.slice(24, 40) };
  }
  return { ...sock, localIp: NO_IP, remoteIp: NO_IP };
}

/** Parts of the context that a caller may set, and what lies between must be zero. */
const SETTABLE: readonly (readonly [from: number, to: number])[] = [
  [SKB.mark, SKB.mark + 4],
  [SKB.priority, SKB.ifindex + 4],
  [SKB.cb, SKB.cb + 20],
  [SKB.tstamp, SKB.gsoSegs + 4],
  [SKB.gsoSize, SKB.gsoSize + 4],
  [SKB.hwtstamp, SKB.hwtstamp + 8],
];

function applyContext(job: TestRunJob, skb: PacketSkb, ctx: Uint8Array): void {
  let at = 0;
  for (const [from, to] of [...SETTABLE, [SKB.size, SKB.size] as const]) {
    if (!isZero(ctx, at, from))
      refuse(job, Errno.EINVAL, `bytes ${at} to ${from} of the context must be zero`);
    at = to;
  }
  const view = new DataView(ctx.buffer);
  if (view.getUint32(SKB.ifindex, true) > LOOPBACK) refuse(job, Errno.ENODEV, 'only interface 1 exists');
  const wireLen = view.getUint32(SKB.wireLen, true);
  if (wireLen !== 0 && (wireLen < skb.len || wireLen > GSO_MAX_SIZE)) refuse(job, Errno.EINVAL, 'wire_len');
  const gsoSegs = view.getUint32(SKB.gsoSegs, true);
  if (gsoSegs > GSO_MAX_SEGS) refuse(job, Errno.EINVAL, 'gso_segs');
  skb.gsoSegs = gsoSegs;
  skb.gsoSize = view.getUint32(SKB.gsoSize, true);
  const { u8 } = skb.memory;
  for (const [from, to] of [
    [SKB.mark, SKB.mark + 4],
    [SKB.priority, SKB.ingressIfindex + 4],
    [SKB.cb, SKB.cb + 20],
    [SKB.tstamp, SKB.tstamp + 8],
    [SKB.hwtstamp, SKB.hwtstamp + 8],
  ]) {
    u8.set(ctx.subarray(from, to), skb.ctx + from);
  }
  skb.setField(SKB.wireLen, wireLen === 0 ? skb.len : wireLen);
  skb.sync();
}

/** Fields that the kernel copies back. */
const RETURNED: readonly (readonly [offset: number, size: number])[] = [
  [SKB.mark, 4],
  [SKB.priority, 4],
  [SKB.ingressIfindex, 4],
  [SKB.ifindex, 4],
  [SKB.tstamp, 8],
  [SKB.cb, 20],
  [SKB.wireLen, 4],
  [SKB.gsoSegs, 4],
  [SKB.hwtstamp, 8],
];

function readContext(skb: PacketSkb, ctx: Uint8Array): void {
  for (const [offset, size] of RETURNED) {
    ctx.set(skb.memory.u8.subarray(skb.ctx + offset, skb.ctx + offset + size), offset);
  }
}
