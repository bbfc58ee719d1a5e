/** lddw and the legacy packet loads. */
import { Errno } from '../errors.js';
import { Op } from '../isa/op.gen.js';
import type { OpRow } from '../isa/ops.js';
import { MapType } from '../maps/map-types.js';
import { ProgType } from '../progs/prog-types.js';
import type { Env } from './env.js';
import { leaveFrame } from './frames.js';
import type { VerifierMap } from './input.js';
import { pushPath } from './paths.js';
import { Reg, RegFlag, RegType, UNKNOWN_SCALAR, ZERO_SCALAR } from './reg-state.js';
import { assertInit, assertWritableReg, scratchCallerSaved } from './registers.js';
import { assertUnmoved } from './region-access.js';
import { assertNothingHeld } from './refs.js';

export function checkLddw(env: Env): number {
  const { insns, pc } = env;
  const dst = insns.dst[pc];
  assertWritableReg(env, dst);
  env.setReg(dst, constantAt(env, insns.op[pc]));
  return pc + 2;
}

function mapAt(env: Env): VerifierMap {
  const id = env.insns.imm[env.pc];
  const map = env.input.maps.get(id);
  if (map === undefined) env.reject(Errno.EBADF, `fd ${id} is not pointing to valid bpf_map`);
  return map;
}

function constantAt(env: Env, op: Op): Reg {
  const { insns, pc } = env;
  switch (op) {
    case Op.lddw:
      return Reg.constant((BigInt(insns.immHi[pc] >>> 0) << 32n) | BigInt(insns.imm[pc] >>> 0));
    case Op.lddw_map_fd:
    case Op.lddw_map_idx: {
      const pointer = Reg.pointer(RegType.MapPtr);
      pointer.map = mapAt(env);
      return pointer;
    }
    case Op.lddw_map_value:
    case Op.lddw_map_idx_value: {
      const map = mapAt(env);
      if (map.type === MapType.Arena) return UNKNOWN_SCALAR;
      return directValue(env, map, insns.immHi[pc]);
    }
    case Op.lddw_func:
      return functionAt(env);
    default:
      return kernelVariable(env);
  }
}

/** Only the value of an array of one element has an address that a program may hold. */
function directValue(env: Env, map: VerifierMap, offset: number): Reg {
  if (map.type !== MapType.Array)
    env.reject(Errno.EINVAL, 'no direct value access support for this map type');
  if (map.maxEntries !== 1 || offset >>> 0 >= map.valueSize) {
    const errno = map.maxEntries === 1 ? Errno.EINVAL : Errno.ENOTSUPP;
    const where = `value_size=${map.valueSize} off=${offset >>> 0}`;
    env.reject(errno, `invalid access to map value pointer, ${where}`);
  }
  const value = Reg.pointer(RegType.MapValue);
  value.map = map;
  value.off = offset;
  return value;
}

function functionAt(env: Env): Reg {
  const subprog = env.subprogAt(env.insns.target[env.pc]);
  if (env.input.subprogs === undefined) env.reject(Errno.EINVAL, 'missing btf func_info');
  if (env.input.subprogs[subprog].isGlobal) env.reject(Errno.EINVAL, 'callback function not static');
  if (subprog === 0) env.reject(Errno.EINVAL, 'callback function cannot be the main program');
  const pointer = Reg.pointer(RegType.Func);
  pointer.subprog = subprog;
  return pointer;
}

function kernelVariable(env: Env): Reg {
  const symbol = env.input.ksym?.(env.pc);
  if (symbol === undefined) {
    env.reject(Errno.ENOENT, `ldimm64 failed to find the address for kernel symbol`);
  }
  if (symbol.size === 0) {
    const object = Reg.pointer(RegType.BtfId, RegFlag.None);
    object.btfName = symbol.name;
    return object;
  }
  const memory = Reg.pointer(RegType.Mem, RegFlag.RdOnly);
  memory.memSize = symbol.size;
  return memory;
}

const WITH_PACKET_LOADS = new Set<ProgType>([ProgType.SocketFilter, ProgType.SchedCls, ProgType.SchedAct]);

/** ldabs and ldind: r6 is the context; a packet that is too short ends the program with 0. */
export function checkPacketLoad(env: Env, row: OpRow): number {
  if (!WITH_PACKET_LOADS.has(env.input.progType)) {
    env.reject(Errno.EINVAL, 'BPF_LD_[ABS|IND] instructions not allowed for this program type');
  }
  if (env.state.frames.some((frame) => frame.kind === 'sync_callback')) {
    env.reject(Errno.EINVAL, 'cannot use BPF_LD_[ABS|IND] within callback');
  }
  assertInit(env, 6);
  assertNothingHeld(env, 'BPF_LD_[ABS|IND]', false, true);
  if (env.reg(6).type !== RegType.Ctx) {
    env.reject(Errno.EINVAL, 'at the time of BPF_LD_ABS|IND R6 != pointer to skb');
  }
  if (row.kind === 'ldind') assertInit(env, env.insns.src[env.pc]);
  assertUnmoved(env, env.reg(6), 6, false);
  scratchCallerSaved(env);
  env.setReg(0, UNKNOWN_SCALAR);
  if (env.state.depth === 0) return env.pc + 1;
  pushPath(env, env.pc + 1, env.pc);
  env.setReg(0, ZERO_SCALAR);
  return leaveFrame(env);
}
