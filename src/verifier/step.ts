/** One instruction: what must hold, and what it does to the state. */
import { Errno } from '../errors.js';
import type { OpRow } from '../isa/ops.js';
import { ROWS } from '../isa/ops.js';
import { checkAlu, settle } from './alu.js';
import type { Env } from './env.js';
import { checkCallSub, leaveFrame } from './frames.js';
import { checkHelperCall } from './helper-call.js';
import { checkJump } from './jumps.js';
import { checkKfuncCall } from './kfunc-call.js';
import { checkLddw, checkPacketLoad } from './loads.js';
import { accessMemory } from './mem-access.js';
import { assertInit, assertWritableReg } from './registers.js';
import { assertNothingHeld } from './refs.js';
import { checkReturnCode } from './return-code.js';
import { RegType, UNKNOWN_SCALAR } from './reg-state.js';

/** The slot to continue at, or that this path is over. */
export type Next = number | 'end';

/** Checks and transfers the instruction at `env.pc`. */
export function step(env: Env): Next {
  const row = ROWS[env.insns.op[env.pc]];
  switch (row.kind) {
    case 'alu':
    case 'neg':
    case 'end':
    case 'movsx':
    case 'addr_space_cast':
      checkAlu(env, row);
      return env.pc + 1;
    case 'ldx':
    case 'ldsx':
      load(env, row);
      return env.pc + 1;
    case 'st':
    case 'stx':
      store(env, row);
      return env.pc + 1;
    case 'atomic':
      atomic(env, row);
      return env.pc + 1;
    case 'lddw':
      return checkLddw(env);
    case 'ldabs':
    case 'ldind':
      return checkPacketLoad(env, row);
    case 'ja':
      env.jumpsProcessed++;
      return env.insns.target[env.pc];
    case 'jcc':
    case 'may_goto':
      env.jumpsProcessed++;
      return checkJump(env, row);
    case 'call':
      env.jumpsProcessed++;
      return checkHelperCall(env, env.insns.imm[env.pc]);
    case 'call_sub':
      env.jumpsProcessed++;
      return checkCallSub(env);
    case 'call_kfunc':
      env.jumpsProcessed++;
      return checkKfuncCall(env);
    case 'callx':
      return env.reject(Errno.EINVAL, 'BPF_CALL uses reserved fields');
    case 'exit':
      env.jumpsProcessed++;
      return exit(env);
  }
}

const UNMIXABLE = new Set<RegType>([
  RegType.Ctx,
  RegType.Sock,
  RegType.SockCommon,
  RegType.TcpSock,
  RegType.XdpSock,
  RegType.BtfId,
  RegType.Arena,
]);

const mayMix = (type: RegType): boolean => !UNMIXABLE.has(type);

function load(env: Env, row: OpRow): void {
  const { insns, pc } = env;
  const src = insns.src[pc];
  const dst = insns.dst[pc];
  assertInit(env, src);
  assertWritableReg(env, dst);
  env.log.touchReg(dst);
  const type = env.reg(src).type;
  accessMemory(env, {
    regno: src,
    off: insns.off[pc],
    size: row.width / 8,
    isWrite: false,
    value: dst,
    isSigned: row.kind === 'ldsx',
  });
  noteType(env, type);
  settle(env, dst);
}

/** One instruction must not reach different kinds of memory on different paths: it is compiled once. */
function noteType(env: Env, type: RegType): void {
  const seen = env.accessType[env.pc];
  if (seen === RegType.NotInit) env.accessType[env.pc] = type;
  else if (seen !== type && !(mayMix(seen) && mayMix(type))) {
    env.reject(Errno.EINVAL, 'same insn cannot be used with different pointers');
  }
}

function store(env: Env, row: OpRow): void {
  const { insns, pc } = env;
  const dst = insns.dst[pc];
  const value = row.kind === 'stx' ? insns.src[pc] : -1;
  if (value >= 0) assertInit(env, value);
  assertInit(env, dst);
  const { type } = env.reg(dst);
  accessMemory(env, {
    regno: dst,
    off: insns.off[pc],
    size: row.width / 8,
    isWrite: true,
    value,
    ...(value < 0 ? { imm: insns.imm[pc] } : {}),
  });
  noteType(env, type);
}

function atomic(env: Env, row: OpRow): void {
  const { insns, pc } = env;
  const size = row.width / 8;
  const off = insns.off[pc];
  const [address, value] =
    row.sub === 'load_acq' ? [insns.src[pc], insns.dst[pc]] : [insns.dst[pc], insns.src[pc]];
  if (row.sub !== 'load_acq') assertInit(env, value);
  assertInit(env, address);
  if (row.sub === 'cmpxchg') assertInit(env, 0);
  assertAtomicTarget(env, address, row);
  const { type } = env.reg(address);
  const access = { regno: address, off, size, isStrict: true };
  if (row.sub === 'load_acq') {
    assertWritableReg(env, value);
    accessMemory(env, { ...access, isWrite: false, value });
    noteType(env, type);
    return;
  }
  if (row.sub === 'store_rel') {
    accessMemory(env, { ...access, isWrite: true, value });
    noteType(env, type);
    return;
  }
  const loaded = row.fetch !== true ? -1 : row.sub === 'cmpxchg' ? 0 : value;
  if (loaded >= 0) {
    assertWritableReg(env, loaded);
    env.setReg(loaded, UNKNOWN_SCALAR);
  }
  accessMemory(env, { ...access, isWrite: false, value: -1 });
  if (loaded >= 0) accessMemory(env, { ...access, isWrite: false, value: loaded });
  noteType(env, type);
  accessMemory(env, { ...access, isWrite: true, value: -1 });
}

const NOT_ATOMIC = new Set<RegType>([
  RegType.Ctx,
  RegType.Packet,
  RegType.PacketMeta,
  RegType.FlowKeys,
  RegType.Sock,
  RegType.SockCommon,
  RegType.TcpSock,
  RegType.XdpSock,
]);

function assertAtomicTarget(env: Env, regno: number, row: OpRow): void {
  const reg = env.reg(regno);
  if (!NOT_ATOMIC.has(reg.type)) return;
  const what = row.sub === 'load_acq' ? 'loads from' : 'stores into';
  env.reject(Errno.EACCES, `BPF_ATOMIC ${what} R${regno} ${reg.typeName()} is not allowed`);
}

function exit(env: Env): Next {
  const { state } = env;
  assertNothingHeld(env, 'BPF_EXIT instruction in main prog', false, state.depth === 0);
  if (state.depth > 0) return leaveFrame(env);
  checkReturnCode(env);
  return 'end';
}
