/** What a program may return, by program and attach type; see docs of each hook. */
import { Errno } from '../errors.js';
import { AttachType, ProgType } from '../progs/prog-types.js';
import type { Env } from './env.js';
import { rejectRange } from './frames.js';
import { markPrecise } from './precision.js';
import { assertInit } from './registers.js';
import type { Range } from './state.js';

const ONLY_ONE = new Set<AttachType>([
  AttachType.CgroupUdp4Recvmsg,
  AttachType.CgroupUdp6Recvmsg,
  AttachType.CgroupUnixRecvmsg,
  AttachType.CgroupInet4Getpeername,
  AttachType.CgroupInet6Getpeername,
  AttachType.CgroupUnixGetpeername,
  AttachType.CgroupInet4Getsockname,
  AttachType.CgroupInet6Getsockname,
  AttachType.CgroupUnixGetsockname,
]);

const BOOL: Range = { min: 0, max: 1 };

/** undefined: anything. */
export function returnRange(progType: ProgType, attach: AttachType): Range | undefined {
  switch (progType) {
    case ProgType.CgroupSockAddr:
      if (ONLY_ONE.has(attach)) return { min: 1, max: 1 };
      if (attach === AttachType.CgroupInet4Bind || attach === AttachType.CgroupInet6Bind)
        return { min: 0, max: 3 };
      return BOOL;
    case ProgType.CgroupSkb:
      return attach === AttachType.CgroupInetEgress ? { min: 0, max: 3 } : BOOL;
    case ProgType.CgroupSock:
    case ProgType.SockOps:
    case ProgType.CgroupDevice:
    case ProgType.CgroupSysctl:
    case ProgType.CgroupSockopt:
    case ProgType.SkLookup:
    case ProgType.Netfilter:
      return BOOL;
    case ProgType.Tracing:
      if (attach === AttachType.TraceFentry || attach === AttachType.TraceFexit) return { min: 0, max: 0 };
      return attach === AttachType.TraceIter ? BOOL : undefined;
    case ProgType.Kprobe:
      return attach === AttachType.TraceKprobeSession ? BOOL : undefined;
    default:
      return undefined;
  }
}

/** `exit` of the main program, of a global function or of an asynchronous callback. */
export function checkReturnCode(env: Env): void {
  const frame = env.state.frames[0];
  assertInit(env, 0);
  const reg = env.reg(0);
  const isAsync = frame.kind === 'async_callback';
  if (frame.subprog !== 0 && !isAsync && !env.subprogs[frame.subprog].isExceptionCallback) {
    if (!reg.isScalar) {
      env.reject(
        Errno.EINVAL,
        `At subprogram exit the register R0 is not a scalar value (${reg.typeName()})`,
      );
    }
    return;
  }
  const where = isAsync ? 'At async callback return' : 'At program exit';
  const range = isAsync ? { min: 0, max: 0 } : returnRange(env.input.progType, env.input.attachType);
  if (range === undefined) return;
  if (!reg.isScalar) {
    env.reject(Errno.EINVAL, `${where} the register R0 is not a known value (${reg.typeName()})`);
  }
  markPrecise(env, 0);
  if (reg.bounds.smin < BigInt(range.min) || reg.bounds.smax > BigInt(range.max)) {
    rejectRange(env, reg, range, where, 'R0');
  }
}
