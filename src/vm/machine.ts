/** The state of an interpreted program, and everything that its loop does not do itself. */
import type { FaultInfo, FaultKind } from '../errors.js';
import type { HelperFn } from '../helpers/proto.js';
import type { RunState } from '../helpers/run-state.js';
import { FUNC_POINTER_BASE } from '../helpers/run-state.js';
import type { BpfMemory, Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import type { EngineOptions, ProgramImage, StepView, TailCallTarget } from './engine.js';
import { MAX_CALL_FRAMES, MAX_TAIL_CALLS, STACK_FRAME_SIZE } from './engine.js';
import type { Access } from './faults.js';
import { checkAccess, memoryFault, programFault } from './faults.js';
import type { IsFunction } from './helper-args.js';
import { checkHelperArgs, functionsOf } from './helper-args.js';
import { toBigInt } from './int64.js';
import type { CallSite, Code } from './translate.js';
import { Reg, translate, UNCHECKED, Word } from './translate.js';

/** Fuel is counted in words of code, in portions that stay small integers. */
const PORTION = 1 << 30;

export class Machine implements StepView {
  readonly image: ProgramImage;
  readonly memory: BpfMemory;
  readonly run: RunState;
  readonly options: EngineOptions;
  readonly code: Code;
  /** Registers from word 0 on, and all else that `Reg` lists. */
  readonly registers: Int32Array;
  readonly stack: Region;
  /** Between entry and exit of the outermost run. */
  isActive = false;
  /** Number of the frame that runs. */
  depth = 0;
  /** Fuel left of the current portion; kept here while the loop is left. */
  left = 0;
  pc = 0;

  /** Fuel not yet handed out in portions, in words. */
  private reserve = 0;
  private handedOut = 0;
  private epoch = -1;
  private readonly checksArgs: boolean;
  private readonly isFunction: IsFunction;
  private readonly callback: RunState['callback'];

  constructor(
    image: ProgramImage,
    memory: BpfMemory,
    run: RunState,
    options: EngineOptions,
    execute: (machine: Machine, p: number) => void,
  ) {
    this.image = image;
    this.memory = memory;
    this.run = run;
    this.options = options;
    this.code = translate(image, options);
    this.registers = this.code.words;
    this.checksArgs =
      options.checks === 'exact' || (options.checks === 'proved' && image.proved === undefined);
    this.isFunction = functionsOf(image.subprogs);
    this.stack = memory.alloc(MAX_CALL_FRAMES * STACK_FRAME_SIZE, RegionKind.Stack, {
      label: `stack of ${image.name}`,
      align: 16,
    });
    this.callback = (fn, args) => this.callBack(fn, args, execute);
  }

  /** Prepares a run from frame `depth` on. */
  start(depth: number): void {
    this.depth = depth;
    this.run.callback = this.callback;
    this.registers[Reg.Budgets + depth] = Word.MayGoto;
    this.registers[Reg.R10] = this.stack.base + STACK_FRAME_SIZE * (depth + 1);
    this.registers[Reg.R10 + 1] = 0;
    if (this.epoch !== this.memory.epoch) this.forgetPredictions();
  }

  /** Fills the tank for a run. */
  refill(): void {
    const perInsn = this.code.isStepped ? 2 * Word.Stride : Word.Stride;
    this.reserve = this.options.fuel === 0 ? Infinity : this.options.fuel * perInsn;
    this.handedOut = 0;
    this.left = 0;
    this.takePortion();
  }

  private takePortion(): void {
    const portion = Math.min(this.reserve, PORTION);
    this.reserve -= portion;
    this.handedOut += portion;
    this.left += portion;
  }

  /** Instructions executed since `refill`. */
  get executed(): number {
    return (this.handedOut - this.left) / (this.code.isStepped ? 2 * Word.Stride : Word.Stride);
  }

  /** The portion is used up where a jump leads to `p`. @throws BpfFault where it was the last. */
  refuel(p: number): void {
    if (this.reserve === 0) {
      throw this.fault('out-of-fuel', p, { detail: `limit of ${this.options.fuel} instructions` });
    }
    this.takePortion();
  }

  /** Voids what is known about memory accesses; they are checked anew. */
  private forgetPredictions(): void {
    this.epoch = this.memory.epoch;
    const { checked, words } = this.code;
    for (const p of checked) words[p + 3] = 0;
  }

  /**
   * Checks the access at `p` through the register pair at `base`, and predicts the base values for which it will be
   * good again: those that keep it inside the region that it hit. Returns the address.
   * @throws BpfFault
   */
  checkAccess(p: number, base: number, size: number, access: Access): number {
    const { registers: r } = this;
    const words = this.code.words;
    const offset = words[p + 1];
    const isPredicted = r[base + 1] === 0 && (r[base] - words[p + 2]) >>> 0 < words[p + 3] >>> 0;
    if (isPredicted) return (r[base] + offset) | 0;
    const address = BigInt.asUintN(64, toBigInt(r, base) + BigInt(offset));
    const low = Number(address & 0x7fff_ffffn);
    const region = address < 0x8000_0000n ? checkAccess(this.memory, low, size, access) : undefined;
    if (typeof region !== 'object') throw this.memoryFault(p, address, size, access);
    if (words[p + 3] === UNCHECKED) return low;
    // With a base of 2^31 or more, or a carry into the high word, the access is legal but not predicted.
    const first = Math.max(region.base - offset, 0);
    const last = Math.min(region.base + region.size - size - offset, 0x7fff_fffe);
    words[p + 2] = first;
    words[p + 3] = Math.max(last - first + 1, 0);
    return low;
  }

  private memoryFault(p: number, address: bigint, size: number, access: Access) {
    return memoryFault(this.image, this.memory, {
      pc: this.slotOf(p),
      address,
      size,
      access,
      stack: this.stack,
      registers: this.registerValues(),
    });
  }

  /** The slot of the instruction at `p`. */
  slotOf(p: number): number {
    return this.code.slots[(p - this.code.base) / Word.Stride];
  }

  /** Stops for the step hook in front of the instruction that follows `p`. */
  step(p: number): void {
    this.pc = this.slotOf(p);
    this.options.step!(this);
  }

  register(index: number): bigint {
    return toBigInt(this.registers, 2 * index);
  }

  registerValues(): bigint[] {
    return Array.from({ length: 11 }, (_, index) => this.register(index));
  }

  fault(kind: FaultKind, p: number, more: Partial<FaultInfo> = {}) {
    return programFault(this.image, { kind, pc: this.slotOf(p), registers: this.registerValues(), ...more });
  }

  misaligned(p: number, address: number, size: number) {
    return this.fault('misaligned-atomic', p, { address: BigInt(address), size, access: 'atomic' });
  }

  tooDeep(p: number) {
    return this.fault('call-depth', p, { detail: `more than ${MAX_CALL_FRAMES} frames` });
  }

  /** Enters a frame from outside the loop. */
  private pushFrame(p: number): void {
    if (this.depth >= MAX_CALL_FRAMES - 1) throw this.tooDeep(p);
    this.registers.copyWithin(Reg.Frames + this.depth * Word.Frame + 1, 12, 20);
    this.depth++;
    this.registers[Reg.Budgets + this.depth] = Word.MayGoto;
    this.registers[Reg.R10] += STACK_FRAME_SIZE;
  }

  /** Leaves such a frame and restores what belongs to its caller. */
  private popFrame(): void {
    const at = Reg.Frames + --this.depth * Word.Frame;
    this.registers.copyWithin(12, at + 1, at + Word.Frame);
    this.registers[Reg.R10] -= STACK_FRAME_SIZE;
  }

  /** Calls the helper of a site and sets r0. Returns whether a tail call took the place of what follows. */
  callHelper(index: number, p: number): boolean {
    const site = this.code.sites[index];
    const { helper } = site;
    if (helper === undefined) throw this.fault('unknown-helper', p, { detail: site.what });
    const { registers, run } = this;
    if (this.checksArgs) {
      const problem = checkHelperArgs(helper, registers, 2, this.memory, run, this.isFunction);
      if (problem !== null) throw this.fault('bad-helper-argument', p, { detail: problem });
    }
    const result = invoke(helper.fn, run, registers, site.words);
    this.setResult(site, result);
    if (this.epoch !== this.memory.epoch) this.forgetPredictions();
    return run.tailCall !== null && this.tailCall();
  }

  private setResult(site: CallSite, result: number): void {
    const { registers } = this;
    registers[0] = result;
    switch (site.helper!.ret.abi) {
      case 's32':
        registers[1] = result >> 31;
        break;
      case 'u64':
        registers[1] = this.run.retHi;
        break;
      case 'void':
        registers[0] = 0;
        registers[1] = 0;
        break;
      default:
        registers[1] = 0;
    }
  }

  /** Enters the program that bpf_tail_call found; past the limit the caller goes on, as where it found none. */
  private tailCall(): boolean {
    const { depth, run } = this;
    const target = (run.tailCall as TailCallTarget).compiled;
    run.tailCall = null;
    if (run.tailCalls >= MAX_TAIL_CALLS) return false;
    run.tailCalls++;
    this.registers[0] = target.enter(run.ctx);
    this.registers[1] = target.resultHi;
    this.depth = depth;
    run.callback = this.callback;
    if (this.epoch !== this.memory.epoch) this.forgetPredictions();
    return true;
  }

  /** `RunState.callback`: runs the subprogram behind a function pointer in a new frame. */
  private callBack(
    fn: number,
    args: readonly number[],
    execute: (machine: Machine, p: number) => void,
  ): number {
    const slot = (fn >>> 0) - FUNC_POINTER_BASE;
    if (!this.isFunction(fn >>> 0)) {
      throw this.fault('bad-call-target', 0, { detail: `callback 0x${(fn >>> 0).toString(16)}` });
    }
    const { registers } = this;
    this.pushFrame(this.code.positions[slot]);
    for (let i = 0; i < args.length; i++) registers[2 + i] = args[i];
    execute(this, this.code.positions[slot]);
    this.popFrame();
    this.run.retHi = registers[1];
    return registers[0];
  }

  /**
   * ldabs and ldind: r0 = `size` bytes of the packet at `offset`, in network order. False beyond its end, where the
   * program ends with 0.
   */
  loadPacket(offset: number, size: number): boolean {
    const { registers, run, stack } = this;
    // The last bytes of the last frame are free: no frame is above it, and the value is read at once.
    const scratch = stack.base + stack.size - 8;
    const { view } = this.memory;
    const saved = view.getUint32(scratch);
    const isThere = run.skb !== null && run.skb.loadBytes(offset, scratch, size) === 0;
    const word = this.memory.view.getUint32(scratch);
    this.memory.view.setUint32(scratch, saved);
    registers[0] = isThere ? word >>> (32 - 8 * size) : 0;
    registers[1] = 0;
    return isThere;
  }
}

/** Calls a helper with the given words of the register file. */
function invoke(fn: HelperFn, run: RunState, r: Int32Array, w: Uint8Array): number {
  switch (w.length) {
    case 0:
      return fn(run);
    case 1:
      return fn(run, r[w[0]]);
    case 2:
      return fn(run, r[w[0]], r[w[1]]);
    case 3:
      return fn(run, r[w[0]], r[w[1]], r[w[2]]);
    case 4:
      return fn(run, r[w[0]], r[w[1]], r[w[2]], r[w[3]]);
    case 5:
      return fn(run, r[w[0]], r[w[1]], r[w[2]], r[w[3]], r[w[4]]);
    case 6:
      return fn(run, r[w[0]], r[w[1]], r[w[2]], r[w[3]], r[w[4]], r[w[5]]);
    default:
      return fn(run, ...Array.from(w, (index) => r[index]));
  }
}
