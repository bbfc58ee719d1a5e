/** The state of one verification. Everything that checks or transfers takes it as its first argument. */
import { BpfError } from '../errors.js';
import type { Helper } from '../helpers/proto.js';
import type { DecodedProgram } from '../isa/insn.js';
import type { OpRow } from '../isa/ops.js';
import { ROWS } from '../isa/ops.js';
import { MapType } from '../maps/map-types.js';
import { helperById } from '../helpers/registry.js';
import { traitsOf } from './call-traits.js';
import type { CallTraits, Cfg } from './cfg.js';
import type { VerifierInput } from './input.js';
import type { Log } from './log.js';
import { Loops } from './prune.js';
import type { HistoryEntry, LinkedReg } from './state.js';
import type { Reg } from './reg-state.js';
import type { FuncState, VerifierState } from './state.js';

export const MAX_INSNS = 1_000_000;
export const MAX_PENDING = 8192;
export const MAX_STACK = 512;
export const MAX_FRAMES = 8;
export const MAX_SUBPROGS = 256;
export const MAX_VAR_OFF = 1 << 29;
export const MAX_VAR_SIZE = 1 << 29;
export const MAX_PACKET_OFF = 0xffff;

/** The program is refused. Caught by `verify`; nothing else may swallow it. */
export class Rejected extends BpfError {
  readonly errno: number;
  readonly pc: number;

  constructor(errno: number, pc: number, message: string) {
    super('ERR_BPF_VERIFIER', message);
    this.errno = errno;
    this.pc = pc;
  }
}

/** A path that is still to be explored. */
export interface Pending {
  readonly state: VerifierState;
  readonly pc: number;
  readonly prevPc: number;
  readonly logMark: number;
}

export interface SubprogInfo {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  /** Bytes of stack that its own instructions use. */
  stackDepth: number;
  isGlobal: boolean;
  isCalled: boolean;
  isAsyncCallback: boolean;
  isExceptionCallback: boolean;
  hasTailCall: boolean;
  hasLdAbs: boolean;
  tailCallReachable: boolean;
  changesPacket: boolean;
  mightSleep: boolean;
  verified: boolean;
}

export class Env {
  readonly input: VerifierInput;
  readonly insns: DecodedProgram;
  readonly log: Log;
  readonly cfg: Cfg;
  readonly subprogs: SubprogInfo[];
  state: VerifierState;
  pc = 0;
  prevPc = 0;
  /** Instructions processed so far, over all paths. */
  processed = 0;
  jumpsProcessed = 0;
  prevProcessed = 0;
  prevJumps = 0;
  idGen = 0;
  readonly pending: Pending[] = [];
  /** Checkpoints by slot. */
  readonly explored: (VerifierState[] | undefined)[];
  /** Per slot: a prune point was hit by a state equal to one seen. */
  totalStates = 0;
  peakStates = 0;
  maxStatesPerInsn = 0;
  longestMark = 0;
  /** Per slot: 1 where some visit proved its memory access. */
  readonly proved: Uint8Array;
  /** Per slot: 1 where some visit could not prove it. */
  readonly unproved: Uint8Array;
  /** Kind of pointer that a load or store was seen with. */
  readonly accessType: Int32Array;
  /** Scalars linked by an id, to be recorded with the current jump. */
  linked: readonly LinkedReg[] = [];
  /** The current instruction in the history, once it was recorded. */
  historyEntry: HistoryEntry | null = null;
  readonly loops = new Loops();
  /** CPUs of the machine the program is to run on. */
  readonly cpus: number;
  /** The subprogram that is verified now as an entry of its own; 0: the main program. */
  entrySubprog = 0;

  constructor(input: VerifierInput, log: Log, cfg: Cfg, subprogs: SubprogInfo[], state: VerifierState) {
    this.input = input;
    this.insns = input.insns;
    this.log = log;
    this.cfg = cfg;
    this.subprogs = subprogs;
    this.state = state;
    this.cpus = input.cpus ?? 1;
    this.explored = new Array<VerifierState[] | undefined>(input.insns.length);
    this.proved = new Uint8Array(input.insns.length);
    this.unproved = new Uint8Array(input.insns.length);
    this.accessType = new Int32Array(input.insns.length);
  }

  /** An arena map is among the program's maps. */
  get hasArena(): boolean {
    for (const map of this.input.maps.values()) if (map.type === MapType.Arena) return true;
    return false;
  }

  get frame(): FuncState {
    return this.state.current;
  }

  get row(): OpRow {
    return ROWS[this.insns.op[this.pc]];
  }

  reg(regno: number): Reg {
    return this.state.current.regs[regno];
  }

  setReg(regno: number, reg: Reg): void {
    this.state.current.regs[regno] = reg;
    this.log.touchReg(regno);
  }

  nextId(): number {
    return ++this.idGen;
  }

  helper(id: number): Helper | undefined {
    return helperById(id, this.input.progType);
  }

  /** Whether the current context may sleep. */
  get isSleepable(): boolean {
    return this.state.isSleepable;
  }

  /** What the call at a slot does to the control flow; undefined for other instructions. */
  callTraits(pc: number): CallTraits | undefined {
    const { kind } = ROWS[this.insns.op[pc]];
    return kind === 'call' || kind === 'call_kfunc' ? traitsOf(this.input, pc) : undefined;
  }

  subprogAt(start: number): number {
    return this.subprogs.findIndex((subprog) => subprog.start === start);
  }

  /** Logs the message and refuses the program. */
  reject(errno: number, message: string): never {
    if (message !== '') this.log.line(message);
    throw new Rejected(errno, this.pc, message);
  }
}
