/** State of the code generator while it writes one subprogram, and the vocabulary that the emitters use. */
import { BpfError } from '../../errors.js';
import type { DecodedProgram } from '../../isa/insn.js';
import type { BpfMap } from '../../maps/map.js';
import type { CheckMode, ProgramImage } from '../engine.js';
import { STACK_FRAME_SIZE } from '../engine.js';
import { Control, OUT_OF_FUEL } from './control.js';
import { Hulls } from './hulls.js';
import type { Predictor } from './predict.js';
import type { Labels } from './structure.js';
import type { Bounds } from './bounds.js';
import type { WasmBuilder } from './wasm-builder.js';
import { Wasm } from './wasm-ops.js';

/** Function indices of the module, known before any code is written. */
export interface ModuleIndex {
  readonly resume: number;
  readonly check: number;
  readonly loadPacket: number;
  /** By slot of the call. */
  readonly helperOf: (pc: number) => HelperImport | undefined;
  /** By first slot of the subprogram. */
  readonly subprogs: ReadonlyMap<number, SubprogInfo>;
}

export interface HelperImport {
  readonly index: number;
  /** Per argument, 1 where it is passed as two words. */
  readonly wide: readonly boolean[];
  readonly ret: 's32' | 'u32' | 'ptr' | 'u64' | 'void';
  /** Arguments whose high word must be 0 where arguments are checked. */
  readonly narrowPointers: number;
  /** Some argument is more than a plain number. */
  readonly isChecked: boolean;
  readonly mayTailCall: boolean;
  readonly callsBack: boolean;
  /** -1 for kfuncs. */
  readonly id: number;
}

export interface SubprogInfo {
  readonly from: number;
  readonly to: number;
  readonly index: number;
  /** Mask of the registers it takes as parameters. */
  readonly params: number;
}

/** What the whole module is compiled for. */
export interface Target {
  readonly image: ProgramImage;
  readonly checks: CheckMode;
  readonly fuel: number;
  /** Helper arguments are checked at run time. */
  readonly checksArgs: boolean;
  readonly stackBase: number;
  /** Address of the control block. */
  readonly control: number;
  /** Calls may nest deeper than the frames that there are. */
  readonly countsDepth: boolean;
  readonly bounds: Bounds;
  readonly index: ModuleIndex;
  /** A number from 0 for each map of the image, by id. */
  readonly mapIndex: ReadonlyMap<number, number>;
  /** Slots at which guesses went wrong: nothing is guessed there. */
  readonly distrusted: ReadonlySet<number>;
  /** Indices of the helper imports that the code calls; lookups in arrays are inlined. */
  readonly calledImports: Set<number>;
  /** There is no interpreter to hand over to: control leaves the code only where the program faults. */
  readonly isStandalone: boolean;
}

/** Locals of every function, after its parameters. */
export const I32_LOCALS = 5;

export class Generator {
  readonly target: Target;
  readonly b: WasmBuilder;
  readonly insns: DecodedProgram;
  readonly predict: Predictor;
  readonly labels: Labels;
  /** The program's entry: its frame is at a constant address. */
  readonly isEntry: boolean;
  /** Local of each of r0..r9. */
  readonly local: Uint8Array;
  readonly exitPc: number;
  readonly fuel: number;
  /** State of the dispatch loop. */
  readonly state: number;
  readonly word: number;
  /** Passes of `may_goto`. */
  readonly budget: number;
  readonly address: number;
  readonly value: number;
  readonly i64Locals: number;
  readonly usesFuel: boolean;
  readonly hulls = new Hulls();
  /** End of the block that is being written. */
  blockEnd = 0;

  constructor(
    target: Target,
    b: WasmBuilder,
    predict: Predictor,
    labels: Labels,
    params: number,
    isEntry: boolean,
  ) {
    this.target = target;
    this.b = b;
    this.insns = target.image.insns;
    this.predict = predict;
    this.labels = labels;
    this.isEntry = isEntry;
    this.usesFuel = target.fuel > 0;
    this.local = new Uint8Array(11);
    let next = 1;
    if (!isEntry) for (let r = 0; r < 10; r++) if (((params >> r) & 1) !== 0) this.local[r] = next++;
    this.exitPc = next++;
    this.fuel = next++;
    this.state = next++;
    this.word = next++;
    this.budget = next++;
    const first = next;
    for (let r = 0; r < 10; r++) if (isEntry || ((params >> r) & 1) === 0) this.local[r] = next++;
    this.address = next++;
    this.value = next++;
    this.i64Locals = next - first;
  }

  isDistrusted(pc: number): boolean {
    return this.target.distrusted.has(pc);
  }

  /** The map that the lddw at `pc` names. @throws BpfError */
  mapAt(pc: number): BpfMap {
    const id = this.insns.imm[pc];
    const map = this.target.image.maps.get(id);
    if (map !== undefined) return map;
    throw new BpfError('ERR_BPF_ENGINE_MAP', `${this.target.image.name}: insn ${pc}: no map ${id}`);
  }

  // Registers

  /** Pushes a register, 64 bits. */
  get(register: number): void {
    if (register === 10) this.framePointer();
    else this.b.localGet(this.local[register]);
  }

  /** Pushes the low word of a register. */
  get32(register: number): void {
    this.get(register);
    this.b.op(Wasm.I32WrapI64);
  }

  set(register: number): void {
    this.b.localSet(this.local[register]);
  }

  /** Pops an i32 into a register, zero-extended. */
  set32(register: number): void {
    this.b.op(Wasm.I64ExtendI32U);
    this.b.localSet(this.local[register]);
  }

  private framePointer(): void {
    if (this.isEntry) {
      this.b.i64Const(this.target.stackBase + STACK_FRAME_SIZE);
      return;
    }
    this.b.localGet(0);
    this.b.op(Wasm.I64ExtendI32U);
    this.b.i64Const(STACK_FRAME_SIZE);
    this.b.op(Wasm.I64Add);
  }

  /** Pushes the address of the frame `up` above the own one, as i32. */
  frameBase(up: number): void {
    if (this.isEntry) {
      this.b.i32Const(this.target.stackBase + STACK_FRAME_SIZE * up);
      return;
    }
    this.b.localGet(0);
    if (up === 0) return;
    this.b.i32Const(STACK_FRAME_SIZE * up);
    this.b.op(Wasm.I32Add);
  }

  // The control block

  /** Pushes the index operand with which `control(field)` is the offset of a load or store. */
  zero(): void {
    this.b.i32Const(0);
  }

  control(field: number): number {
    return this.target.control + field;
  }

  // Leaving the generated code

  /** Hands over to the interpreter at `pc` if the i32 on the stack is not 0. `exitAt` goes before the condition. */
  exitIf(): void {
    this.b.brIf(this.labels.toOutermost() - 1);
  }

  exitAt(pc: number): void {
    this.b.i32Const(pc);
    this.b.localSet(this.exitPc);
  }

  exit(pc: number): void {
    this.exitAt(pc);
    this.b.br(this.labels.toOutermost() - 1);
  }

  /** Uses one unit of fuel and stops at `pc` when there is none. */
  burn(pc: number): void {
    if (!this.usesFuel) return;
    const { b } = this;
    this.exitAt(pc | OUT_OF_FUEL);
    b.localGet(this.fuel);
    b.i32Const(1);
    b.op(Wasm.I32Sub);
    b.localTee(this.fuel);
    b.i32Const(0);
    b.op(Wasm.I32LtS);
    this.exitIf();
  }

  storeFuel(): void {
    if (!this.usesFuel) return;
    this.zero();
    this.b.localGet(this.fuel);
    this.b.memory(Wasm.I32Store, this.control(Control.fuel));
  }

  loadFuel(): void {
    if (!this.usesFuel) return;
    this.zero();
    this.b.memory(Wasm.I32Load, this.control(Control.fuel));
    this.b.localSet(this.fuel);
  }

  /** Returns from the function with r0. */
  returnR0(): void {
    const { b } = this;
    if (this.isEntry) {
      this.zero();
      b.localGet(this.local[0]);
      b.memory(Wasm.I64Store, this.control(Control.result));
      b.localGet(this.local[0]);
      b.op(Wasm.I32WrapI64);
    } else {
      this.storeFuel();
      b.localGet(this.local[0]);
    }
    b.op(Wasm.Return);
  }

  /** Returns with the r0 that the host left in the control block. */
  returnResult(): void {
    const { b } = this;
    this.zero();
    if (this.isEntry) b.memory(Wasm.I32Load, this.control(Control.result));
    else b.memory(Wasm.I64Load, this.control(Control.result));
    b.op(Wasm.Return);
  }
}
