/** Test runs of the types whose input is a context and no packet, and of sk_msg and sk_skb, which the kernel cannot run. */
import { Errno } from '../errors.js';
import { RegionKind } from '../memory/memory.js';
import { PacketArea } from '../progs/ctx/packet-area.js';
import { SK_LOOKUP_CTX } from '../progs/ctx/layouts.js';
import { SkBuff } from '../progs/ctx/sk-buff.js';
import { SkMsg } from '../progs/ctx/sk-msg.js';
import { ProgType } from '../progs/prog-types.js';
import type { TestRunJob, TestRunOutcome } from '../test-run.js';
import { contextIn, isZero, refuse, repeatRun } from './job.js';

const NOTHING = new Uint8Array(0);
/** Twelve words for raw tracepoints; a page for syscall programs. */
const CTX_MAX = { rawTracepoint: 96, syscall: 0xffff };

export function runRawContext(job: TestRunJob): TestRunOutcome {
  const { host, program } = job;
  const isSyscall = program.progType === ProgType.Syscall;
  const limit = isSyscall ? CTX_MAX.syscall : CTX_MAX.rawTracepoint;
  const bytes = job.ctxIn ?? NOTHING;
  if (job.dataIn.length > 0) refuse(job, Errno.EINVAL, 'this type takes no packet');
  if (bytes.length > limit) refuse(job, Errno.EINVAL, `${bytes.length} bytes of context, ${limit} at most`);
  const region = host.memory.alloc(Math.max(bytes.length, isSyscall ? 8 : limit), RegionKind.Ctx);
  try {
    host.memory.u8.set(bytes, region.base);
    const { retval, durationNs } = repeatRun(job, () => program.runAt(region.base));
    const ctxOut =
      isSyscall && job.ctxIn !== null ? host.memory.u8.slice(region.base, region.base + bytes.length) : null;
    return { retval, durationNs, dataOut: NOTHING, ctxOut };
  } finally {
    host.memory.free(region);
  }
}

const AF_INET = 2;
const AF_INET6 = 10;
const FAMILY = 8;
const LOCAL_PORT = 60;

export function runSkLookup(job: TestRunJob): TestRunOutcome {
  const { host, program } = job;
  if (job.dataIn.length > 0) refuse(job, Errno.EINVAL, 'sk_lookup takes no packet');
  const ctx = contextIn(job, SK_LOOKUP_CTX.size);
  if (ctx === null) refuse(job, Errno.EINVAL, 'sk_lookup needs a context');
  if (!isZero(ctx, 0, 8) || !isZero(ctx, LOCAL_PORT + 4, ctx.length))
    refuse(job, Errno.EINVAL, 'sk must be 0');
  const view = new DataView(ctx.buffer);
  if (view.getUint32(LOCAL_PORT, true) > 0xffff) refuse(job, Errno.ERANGE, 'local_port');
  const family = view.getUint32(FAMILY, true) & 0xffff;
  if (family !== AF_INET && family !== AF_INET6) refuse(job, Errno.EAFNOSUPPORT, `family ${family}`);
  const region = host.memory.alloc(ctx.length, RegionKind.Ctx, { label: 'bpf_sk_lookup', writable: false });
  try {
    host.memory.u8.set(ctx, region.base);
    const { retval, durationNs } = repeatRun(job, () => program.runAt(region.base));
    ctx.fill(0, 0, 8);
    return { retval, durationNs, dataOut: NOTHING, ctxOut: ctx };
  } finally {
    host.memory.free(region);
  }
}

/** The packet is the message; addresses and the socket are those of nothing. */
export function runSkMsg(job: TestRunJob): TestRunOutcome {
  const { host, program, dataIn } = job;
  const area = new PacketArea(host.memory);
  try {
    const message = new SkMsg(area);
    message.append(dataIn);
    const { retval, durationNs } = repeatRun(job, () => {
      message.enter(0, true);
      return program.run(message);
    });
    return { retval, durationNs, dataOut: joined(message.take(message.size)), ctxOut: null };
  } finally {
    area.destroy();
  }
}

/** The packet is the payload of a TCP buffer, linear from the start. */
export function runSkSkb(job: TestRunJob): TestRunOutcome {
  const { host, program, dataIn } = job;
  const area = new PacketArea(host.memory);
  try {
    const skb = new SkBuff(area, [dataIn], -1);
    const { retval, durationNs } = repeatRun(job, () => {
      skb.enter(0, true);
      const result = program.run(skb);
      skb.leave();
      return result;
    });
    return { retval, durationNs, dataOut: joined(skb.contents()), ctxOut: null };
  } finally {
    area.destroy();
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
