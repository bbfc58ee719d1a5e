/**
 * The record of a verification, from which both layouts are rendered: lines of text in the kernel's format, each with
 * the instruction that it belongs to. Level 0 keeps only messages; 1 the instructions of the path that is being
 * explored; 2 those of every path, with the precision marks.
 */
import type { DecodedProgram } from '../isa/insn.js';
import { formatLine } from '../isa/disasm.js';
import type { DisasmNames } from '../isa/disasm.js';
import { printFrame } from './print-state.js';
import type { SourceLine } from './input.js';
import type { FuncState, VerifierState } from './state.js';

export type LogLevel = 0 | 1 | 2;

export interface LogLine {
  readonly kind: 'message' | 'insn' | 'state' | 'source' | 'stats';
  /** Instruction slot; -1 for what concerns the whole program. */
  readonly pc: number;
  text: string;
}

/** Column of the semicolon before the state that an instruction leaves: 38, or 8, 16, ... beyond it. */
const stateColumn = (length: number): number => Math.ceil(Math.max(length + 5, 40) / 8) * 8 - 2;

/** Of a longer log the end is kept, as the kernel does. */
const MAX_LINES = 100_000;

export class Log {
  readonly level: LogLevel;
  readonly lines: LogLine[] = [];
  private touchedRegs = 0;
  private touchedSlots = new Set<number>();
  private lastSource = '';
  /** Lines that were dropped at the start. */
  private dropped = 0;
  private pc = -1;
  /** The line of the last instruction while nothing was printed after it. */
  private openInsn: LogLine | null = null;
  private readonly names: DisasmNames;
  private readonly insns: DecodedProgram;
  private readonly sourceLine: ((pc: number) => SourceLine | undefined) | undefined;

  constructor(
    level: LogLevel,
    insns: DecodedProgram,
    names: DisasmNames,
    sourceLine?: (pc: number) => SourceLine | undefined,
  ) {
    this.level = level;
    this.insns = insns;
    this.names = names;
    this.sourceLine = sourceLine;
  }

  /** A message for the user; always kept. */
  line(text: string, kind: LogLine['kind'] = 'message'): void {
    this.openInsn = null;
    this.push({ kind, pc: this.pc, text });
  }

  /** A message that only the given level shows. */
  detail(level: LogLevel, text: string): void {
    if (this.level >= level) this.line(text);
  }

  touchReg(regno: number): void {
    if (this.level > 0) this.touchedRegs |= 1 << regno;
  }

  touchSlot(index: number): void {
    if (this.level > 0) this.touchedSlots.add(index);
  }

  /** The whole state is to be printed next. */
  touchAll(): void {
    if (this.level === 0) return;
    this.touchedRegs = 0x7ff;
    for (let slot = 0; slot < 64; slot++) this.touchedSlots.add(slot);
  }

  clean(): void {
    this.touchedRegs = 0;
    this.touchedSlots.clear();
  }

  /** A place to come back to. */
  get mark(): number {
    return this.dropped + this.lines.length;
  }

  private push(entry: LogLine): void {
    this.lines.push(entry);
    if (this.lines.length <= MAX_LINES) return;
    this.dropped += MAX_LINES / 2;
    this.lines.splice(0, MAX_LINES / 2);
  }

  /** Level 1 forgets a path when it turns to the next. */
  rewind(mark: number): void {
    if (this.level < 2) this.lines.length = Math.min(this.lines.length, Math.max(0, mark - this.dropped));
  }

  /** All of a state, as where a path starts: `from 3 to 7: R0=...`. */
  wholeState(prefix: string, state: VerifierState, frame: FuncState): void {
    if (this.level === 0) return;
    this.line(
      prefix +
        printFrame(
          state,
          frame,
          () => true,
          () => true,
        ),
      'state',
    );
  }

  /** What the last instruction changed, appended to its line. */
  flushState(state: VerifierState): void {
    if (this.level === 0 || (this.touchedRegs === 0 && this.touchedSlots.size === 0)) return;
    const text = printFrame(
      state,
      state.current,
      (regno) => (this.touchedRegs & (1 << regno)) !== 0,
      (slot) => this.touchedSlots.has(slot),
    );
    this.clean();
    if (this.openInsn !== null) {
      const { text: insn } = this.openInsn;
      this.openInsn.text = `${insn.padEnd(stateColumn(insn.length))};${text}`;
      this.openInsn = null;
    } else this.line(`${this.pc}:${text}`, 'state');
  }

  insn(pc: number): void {
    this.pc = pc;
    if (this.level === 0) return;
    this.source(pc);
    const entry: LogLine = { kind: 'insn', pc, text: formatLine(this.insns, pc, this.names) };
    this.push(entry);
    this.openInsn = entry;
  }

  /** Names the instruction to which the following lines belong where nothing is printed for it. */
  at(pc: number): void {
    this.pc = pc;
  }

  private source(pc: number): void {
    const line = this.sourceLine?.(pc);
    if (line === undefined) return;
    const text = `; ${line.text.trim()} @ ${line.file.slice(line.file.lastIndexOf('/') + 1)}:${line.line}`;
    if (text === this.lastSource) return;
    this.lastSource = text;
    this.push({ kind: 'source', pc, text });
  }

  opAt(pc: number): number {
    return this.insns.op[pc];
  }

  insnText(pc: number): string {
    return formatLine(this.insns, pc, this.names);
  }
}
