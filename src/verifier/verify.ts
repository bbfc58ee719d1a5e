/** Verifies a program: every path of it, and every global function that it calls. */
import { Errno } from '../errors.js';
import { helperById } from '../helpers/registry.js';
import type { DisasmNames } from '../isa/disasm.js';
import { Op } from '../isa/op.gen.js';
import { ROWS } from '../isa/ops.js';
import { traitsOf } from './call-traits.js';
import { Point, buildCfg } from './cfg.js';
import { Env, MAX_INSNS, Rejected } from './env.js';
import { entryState } from './entry.js';
import type { VerifierInput } from './input.js';
import type { LogLevel, LogLine } from './log.js';
import { Log } from './log.js';
import { checkMaps } from './map-checks.js';
import { finishPath, isVisited } from './prune.js';
import { pushHistory } from './precision.js';
import { checkStackDepth } from './stack-depth.js';
import { VerifierState } from './state.js';
import {
  checkAbnormalReturns,
  checkSubprogs,
  findSubprogs,
  logLiveRegs,
  reject,
  spreadEffects,
} from './prepare.js';
import { step } from './step.js';
import { originsOf } from './trace-back.js';

export interface VerifyOptions {
  /** 0 keeps messages only. */
  readonly logLevel?: LogLevel;
  /** The log ends with the stack that each function uses. */
  readonly stats?: boolean;
}

export interface VerifyStats {
  readonly insnsProcessed: number;
  readonly totalStates: number;
  readonly peakStates: number;
  readonly maxStatesPerInsn: number;
}

export interface VerifyResult {
  readonly verdict: 'accept' | 'reject';
  /** Positive errno with which the kernel would refuse it; 0 where it accepts. */
  readonly errno: number;
  /** The last message; empty where it is accepted. */
  readonly message: string;
  /** Slot of the refused instruction; -1 where none is to blame. */
  readonly pc: number;
  readonly log: readonly LogLine[];
  readonly stats: VerifyStats;
  /** Per slot: 1 where every path proved that the memory access stays within its region. */
  readonly proved: Uint8Array;
  /** Text of the refused instruction. */
  readonly insnText?: string;
  /** Instructions that made the value of the register that the message is about, latest first. */
  readonly origins: readonly Origin[];
}

export interface Origin {
  readonly regno: number;
  readonly pc: number;
  readonly text: string;
}

/** Never throws for what a program contains: hostile programs are refused. */
export function verify(input: VerifierInput, options: VerifyOptions = {}): VerifyResult {
  const log = new Log(options.logLevel ?? 0, input.insns, namesOf(input), input.sourceLine?.bind(input));
  let env: Env | undefined;
  try {
    env = prepare(input, log);
    verifyMain(env);
    verifyGlobals(env);
    checkStackDepth(env);
    checkExceptions(env);
    return report(env, log, undefined, options.stats === true);
  } catch (error) {
    if (error instanceof Rejected) return report(env, log, error, options.stats === true);
    throw error;
  }
}

function namesOf(input: VerifierInput): DisasmNames {
  return {
    helper: (id) => helperById(id)?.name,
    kfunc: (_btfId, _btfObject, pc) => input.kfuncName?.(pc),
  };
}

function report(
  env: Env | undefined,
  log: Log,
  refused: Rejected | undefined,
  withStats: boolean,
): VerifyResult {
  const stats: VerifyStats = {
    insnsProcessed: env?.processed ?? 0,
    totalStates: env?.totalStates ?? 0,
    peakStates: env?.peakStates ?? 0,
    maxStatesPerInsn: env?.maxStatesPerInsn ?? 0,
  };
  const messages = log.lines.filter((line) => line.kind === 'message');
  const message = refused === undefined ? '' : (messages[messages.length - 1]?.text ?? refused.message);
  if (log.level > 0) {
    if (withStats) {
      const depths = env?.subprogs.map((subprog) => subprog.stackDepth) ?? [];
      log.line(`stack depth ${depths.join('+')}`, 'stats');
    }
    log.line(
      `processed ${stats.insnsProcessed} insns (limit ${MAX_INSNS}) max_states_per_insn ${stats.maxStatesPerInsn} ` +
        `total_states ${stats.totalStates} peak_states ${stats.peakStates} mark_read 0`,
      'stats',
    );
  }
  const pc = refused?.pc ?? -1;
  return {
    ...(pc >= 0 && ROWS[log.opAt(pc)] !== undefined ? { insnText: log.insnText(pc) } : {}),
    origins: refused === undefined || env === undefined ? [] : origins(env, message),
    verdict: refused === undefined ? 'accept' : 'reject',
    errno: refused?.errno ?? 0,
    message,
    pc,
    log: log.lines,
    stats,
    proved:
      refused === undefined && env !== undefined
        ? env.proved.map((flag, pc) => flag & ~env.unproved[pc])
        : new Uint8Array(0),
  };
}

/** The message names a register, or is about r0 or a reference: where its value came from. */
function origins(env: Env, message: string): Origin[] {
  const named = /\bR(\d+)\b/.exec(message);
  if (named === null || Number(named[1]) > 9) return [];
  const regno = Number(named[1]);
  return originsOf(env, regno).map((pc) => ({ regno, pc, text: env.log.insnText(pc) }));
}

function prepare(input: VerifierInput, log: Log): Env {
  if (input.insns.length > MAX_INSNS) {
    reject(log, Errno.E2BIG, -1, `BPF program is too large. Processed ${MAX_INSNS + 1} insn`);
  }
  const subprogs = findSubprogs(input, log);
  if (log.level === 2) for (const [i, subprog] of subprogs.entries()) log.line(`func#${i} @${subprog.start}`);
  checkSubprogs(input, subprogs, log);
  checkMaps(input, (errno, message) => reject(log, errno, -1, message));
  const traits = new Map<number, ReturnType<typeof traitsOf>>();
  const cachedTraits = (pc: number): ReturnType<typeof traitsOf> => {
    let found = traits.get(pc);
    if (found === undefined) traits.set(pc, (found = traitsOf(input, pc)));
    return found;
  };
  const exceptions = subprogs
    .filter((subprog) => subprog.isExceptionCallback)
    .map((subprog) => subprog.start);
  const cfg = buildCfg(input.insns, cachedTraits, exceptions);
  if ('errno' in cfg) reject(log, cfg.errno, cfg.pc, cfg.message);
  checkAbnormalReturns(input, subprogs, log);
  if (log.level === 2) logLiveRegs(input, cfg, log);
  spreadEffects(input, subprogs);
  return new Env(input, log, cfg, subprogs, new VerifierState());
}

/** Exceptions unwind the whole program: they may not be thrown below a callback, nor caught by a plain call. */
function checkExceptions(env: Env): void {
  const { insns } = env;
  const throws = env.subprogs.map(({ start, end }) => {
    for (let pc = start; pc < end; pc++) if (env.input.kfuncName?.(pc) === 'bpf_throw') return pc;
    return -1;
  });
  const spread = new Set<number>();
  const below = (index: number): void => {
    if (spread.has(index)) return;
    spread.add(index);
    const { start, end } = env.subprogs[index];
    for (let pc = start; pc < end; pc++) {
      if (insns.op[pc] !== Op.hole && ROWS[insns.op[pc]].kind === 'call_sub')
        below(env.subprogAt(insns.target[pc]));
    }
  };
  for (const [i, subprog] of env.subprogs.entries()) if (subprog.isExceptionCallback) below(i);
  for (let pc = 0; pc < insns.length; pc++) {
    if (insns.op[pc] === Op.lddw_func) below(env.subprogAt(insns.target[pc]));
    const isCall = insns.op[pc] !== Op.hole && ROWS[insns.op[pc]].kind === 'call_sub';
    if (isCall && env.subprogs[env.subprogAt(insns.target[pc])].isExceptionCallback) {
      reject(env.log, Errno.EINVAL, pc, `insn ${pc} cannot call exception cb directly`);
    }
  }
  for (const index of spread) {
    if (throws[index] < 0) continue;
    const message = `bpf_throw kfunc (insn ${throws[index]}) cannot be called from callback subprog ${index}`;
    reject(env.log, Errno.EINVAL, throws[index], message);
  }
}

function verifyMain(env: Env): void {
  env.subprogs[0].verified = true;
  explore(env, 0);
  for (const [i, subprog] of env.subprogs.entries()) {
    if (subprog.isExceptionCallback) {
      subprog.verified = true;
      explore(env, i);
    }
  }
}

/** Global functions that are called, each for any arguments of its types, until no new ones turn up. */
function verifyGlobals(env: Env): void {
  for (let isNew = true; isNew;) {
    isNew = false;
    for (const [i, subprog] of env.subprogs.entries()) {
      if (!subprog.isGlobal || !subprog.isCalled || subprog.verified) continue;
      subprog.verified = true;
      isNew = true;
      explore(env, i);
      env.log.detail(1, `Func#${i} ('${subprog.name}') is safe for any args that match its prototype`);
    }
  }
}

function explore(env: Env, subprog: number): void {
  env.entrySubprog = subprog;
  env.pending.length = 0;
  env.explored.fill(undefined);
  const mark = env.log.mark;
  env.state = entryState(env, subprog);
  env.pc = env.subprogs[subprog].start;
  env.prevPc = -1;
  env.log.clean();
  env.log.touchAll();
  run(env);
  env.log.rewind(mark);
}

/** Depth first: a path to its end, then the latest alternative. */
function run(env: Env): void {
  let isResumed = false;
  for (;;) {
    env.historyEntry = null;
    if (++env.processed > MAX_INSNS) {
      env.reject(Errno.E2BIG, `BPF program is too large. Processed ${env.processed} insn`);
    }
    env.state.lastPc = env.prevPc;
    const point = env.cfg.points[env.pc];
    env.log.at(env.pc);
    if ((point & Point.Prune) !== 0 && isVisited(env)) {
      logSafe(env, isResumed);
      if (!nextPath(env)) return;
      isResumed = true;
      continue;
    }
    if ((point & Point.Jump) !== 0) pushHistory(env, -1, -1);
    if (isResumed && env.log.level === 2) {
      env.log.line('', 'state');
      env.log.wholeState(`from ${env.prevPc} to ${env.pc}:`, env.state, env.frame);
    }
    isResumed = false;
    env.log.flushState(env.state);
    env.log.insn(env.pc);
    const from = env.pc;
    const depth = env.state.frames.length;
    const next = step(env);
    if (next === 'end') {
      if (!nextPath(env)) return;
      isResumed = true;
      continue;
    }
    if (env.state.frames.length < depth) isResumed = true;
    env.prevPc = from;
    env.pc = next;
  }
}

function logSafe(env: Env, isResumed: boolean): void {
  if (env.log.level === 0) return;
  if (isResumed) {
    env.log.line('', 'state');
    env.log.line(`from ${env.prevPc} to ${env.pc}: safe`, 'state');
  } else env.log.line(`${env.pc}: safe`, 'state');
}

/** Takes the latest pending path. False where none is left. */
function nextPath(env: Env): boolean {
  env.log.touchAll();
  finishPath(env, env.state);
  const next = env.pending.pop();
  if (next === undefined) return false;
  env.log.rewind(next.logMark);
  env.state = next.state;
  env.pc = next.pc;
  env.prevPc = next.prevPc;
  return true;
}
