/** What is asked of a program before its paths are followed: subprograms, jumps, effects of callees. */
import { Errno } from '../errors.js';
import { Op } from '../isa/op.gen.js';
import { ROWS } from '../isa/ops.js';
import { TAIL_CALL, maySleep, movesPacket } from './call-traits.js';
import type { Cfg } from './cfg.js';
import { MAX_SUBPROGS, Rejected } from './env.js';
import type { SubprogInfo } from './env.js';
import type { VerifierInput } from './input.js';
import type { Log } from './log.js';

export function reject(log: Log, errno: number, pc: number, message: string): never {
  log.line(message);
  throw new Rejected(errno, pc, message);
}

export function findSubprogs(input: VerifierInput, log: Log): SubprogInfo[] {
  const { insns } = input;
  const starts = new Set<number>([0, ...(input.subprogs ?? []).map((subprog) => subprog.start)]);
  for (let pc = 0; pc < insns.length; pc++) {
    const op = insns.op[pc];
    if (op === Op.hole) continue;
    if (ROWS[op].kind !== 'call_sub' && op !== Op.lddw_func) continue;
    const target = insns.target[pc];
    if (target < 0 || target >= insns.length) {
      reject(log, Errno.EINVAL, pc, `call to invalid destination`);
    }
    starts.add(target);
  }
  const sorted = [...starts].sort((a, b) => a - b);
  if (sorted.length > MAX_SUBPROGS) reject(log, Errno.E2BIG, -1, 'too many subprograms');
  return sorted.map((start, i) => {
    const known = input.subprogs?.find((subprog) => subprog.start === start);
    return {
      start,
      end: sorted[i + 1] ?? insns.length,
      name: known?.name ?? `func${i}`,
      stackDepth: 0,
      isGlobal: i > 0 && known?.isGlobal === true,
      isCalled: false,
      isAsyncCallback: false,
      isExceptionCallback: known?.isExceptionCallback === true,
      hasTailCall: false,
      hasLdAbs: false,
      tailCallReachable: false,
      changesPacket: false,
      mightSleep: false,
      verified: false,
    };
  });
}

/** What the kernel's `check_subprogs` asks: jumps stay within, no fall-through at the end. */
export function checkSubprogs(input: VerifierInput, subprogs: readonly SubprogInfo[], log: Log): void {
  const { insns } = input;
  for (const subprog of subprogs) {
    let last = subprog.start;
    for (let pc = subprog.start; pc < subprog.end; pc++) {
      if (insns.op[pc] === Op.hole) continue;
      last = pc;
      const { kind } = ROWS[insns.op[pc]];
      if (kind === 'call' && insns.imm[pc] === TAIL_CALL) subprog.hasTailCall = true;
      if (kind === 'ldabs' || kind === 'ldind') subprog.hasLdAbs = true;
      if (kind !== 'ja' && kind !== 'jcc' && kind !== 'may_goto') continue;
      const to = insns.target[pc];
      if (to < subprog.start || to >= subprog.end) {
        if (to < 0 || to >= insns.length) continue;
        reject(log, Errno.EINVAL, pc, `jump out of range from insn ${pc} to ${to}`);
      }
    }
    const { kind } = ROWS[insns.op[last]];
    const isThrow = kind === 'call_kfunc' && input.kfuncName?.(last) === 'bpf_throw';
    if (kind !== 'exit' && kind !== 'ja' && !isThrow)
      reject(log, Errno.EINVAL, last, 'last insn is not an exit or jmp');
  }
}

/** Effects of callees reach their callers: repeated until nothing changes. */
export function spreadEffects(input: VerifierInput, subprogs: readonly SubprogInfo[]): void {
  const { insns } = input;
  const calls: [SubprogInfo, SubprogInfo][] = [];
  for (const subprog of subprogs) {
    for (let pc = subprog.start; pc < subprog.end; pc++) {
      if (insns.op[pc] === Op.hole) continue;
      if (movesPacket(input, pc)) subprog.changesPacket = true;
      if (maySleep(input, pc)) subprog.mightSleep = true;
      if (ROWS[insns.op[pc]].kind !== 'call_sub') continue;
      const callee = subprogs.find((other) => other.start === insns.target[pc]);
      if (callee !== undefined) calls.push([subprog, callee]);
    }
  }
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    for (const [caller, callee] of calls) {
      if (callee.changesPacket && !caller.changesPacket) caller.changesPacket = isChanged = true;
      if (callee.mightSleep && !caller.mightSleep) caller.mightSleep = isChanged = true;
    }
  }
}

/** Before each instruction: its loop, and the registers whose values may still be used. */
export function logLiveRegs(input: VerifierInput, cfg: Cfg, log: Log): void {
  log.line('Live regs before insn:', 'state');
  for (let pc = 0; pc < input.insns.length; pc++) {
    if (input.insns.op[pc] === Op.hole) continue;
    const scc = cfg.scc[pc] === 0 ? '    ' : `${String(cfg.scc[pc]).padStart(3)} `;
    let regs = '';
    for (let i = 0; i < 10; i++) regs += (cfg.liveRegs[pc] & (1 << i)) !== 0 ? String(i) : '.';
    const insn = log.insnText(pc).replace(/^\d+: /, '');
    log.line(`${scc}${String(pc).padStart(3)}: ${regs} ${insn}`, 'state');
  }
}

/** Legacy loads and tail calls end a subprogram early, with 0: its callers must expect an int. */
export function checkAbnormalReturns(input: VerifierInput, subprogs: readonly SubprogInfo[], log: Log): void {
  for (const [i, subprog] of subprogs.entries()) {
    if (i === 0 || (!subprog.hasLdAbs && !subprog.hasTailCall)) continue;
    const what = subprog.hasLdAbs ? 'LD_ABS' : 'tail_call';
    if (input.subprogs === undefined) {
      reject(log, Errno.EINVAL, subprog.start, `${what} is not allowed in subprogs without BTF`);
    }
    if (input.subprogs[i]?.returnsScalar === false) {
      reject(log, Errno.EINVAL, subprog.start, `${what} is only allowed in functions that return 'int'.`);
    }
  }
}
