/** The control-flow graph: basic blocks of every subprogram, in typed arrays, built in two linear passes. */
import type { DisasmNames } from './disasm.js';
import { formatLine } from './disasm.js';
import type { DecodedProgram } from './insn.js';
import { Op } from './op.gen.js';
import type { OpRow } from './ops.js';
import { ROWS } from './ops.js';

/** Blocks are numbered by ascending first slot, over all subprograms. */
export interface Cfg {
  /** First slots of the subprograms, ascending. */
  readonly subprogs: readonly number[];
  readonly blockCount: number;
  /** First slot of each block, and, as element `blockCount`, the number of slots: block b is [start[b], start[b+1]). */
  readonly start: Int32Array;
  /** Block of each slot. */
  readonly blockOf: Int32Array;
  /** Index into `subprogs` of each block. */
  readonly subprogOf: Int32Array;
  /** Block reached by running on, or -1. */
  readonly next: Int32Array;
  /** Block reached by the jump at the block's end, or -1. */
  readonly taken: Int32Array;
}

/** Whether control cannot run on to the following slot. */
export function endsFlow(row: OpRow): boolean {
  return row.kind === 'exit' || row.kind === 'ja';
}

function isJump(row: OpRow): boolean {
  return row.off === 'jump' || row.kind === 'ja';
}

/** Slot of the last instruction of [from, to): a lddw counts by its first slot. */
function lastInsn(program: DecodedProgram, to: number): number {
  return program.op[to - 1] === Op.hole ? to - 2 : to - 1;
}

/**
 * Builds the graph of a program that passed the structural check.
 * @param subprogs first slots of the subprograms, ascending, 0 first
 */
export function buildCfg(program: DecodedProgram, subprogs: readonly number[]): Cfg {
  const leader = findLeaders(program, subprogs);
  const blockOf = new Int32Array(program.length);
  let blockCount = 0;
  for (let pc = 0; pc < program.length; pc++) {
    blockCount += leader[pc];
    blockOf[pc] = blockCount - 1;
  }
  const start = new Int32Array(blockCount + 1).fill(program.length);
  for (let pc = program.length - 1; pc >= 0; pc--) start[blockOf[pc]] = pc;
  const cfg = {
    subprogs,
    blockCount,
    start,
    blockOf,
    subprogOf: new Int32Array(blockCount),
    next: new Int32Array(blockCount).fill(-1),
    taken: new Int32Array(blockCount).fill(-1),
  };
  connect(program, cfg);
  return cfg;
}

/** 1 at slots where a block begins. */
function findLeaders(program: DecodedProgram, subprogs: readonly number[]): Uint8Array {
  const leader = new Uint8Array(program.length);
  for (const pc of subprogs) leader[pc] = 1;
  for (let pc = 0; pc < program.length; pc++) {
    if (program.op[pc] === Op.hole) continue;
    const row = ROWS[program.op[pc]];
    if (isJump(row)) leader[program.target[pc]] = 1;
    if ((isJump(row) || row.kind === 'exit') && pc + 1 < program.length) leader[pc + 1] = 1;
  }
  return leader;
}

function connect(program: DecodedProgram, cfg: Cfg): void {
  let subprog = 0;
  for (let block = 0; block < cfg.blockCount; block++) {
    if (cfg.start[block] === cfg.subprogs[subprog + 1]) subprog++;
    cfg.subprogOf[block] = subprog;
    const last = lastInsn(program, cfg.start[block + 1]);
    const row = ROWS[program.op[last]];
    if (isJump(row)) cfg.taken[block] = cfg.blockOf[program.target[last]];
    if (!endsFlow(row) && block + 1 < cfg.blockCount) cfg.next[block] = block + 1;
  }
}

/** Text inside a DOT string. */
const dotText = (text: string): string => text.replace(/["\\]/g, '\\$&');

/** Lines inside a DOT string, each flush left. */
const dotLabel = (lines: readonly string[]): string => lines.map((line) => `${dotText(line)}\\l`).join('');

export interface DotNames extends DisasmNames {
  readonly title?: string;
  /** Name of the subprogram that starts at a slot. */
  readonly subprog?: (pc: number) => string | undefined;
  /** Source line that an instruction begins, if it begins one. */
  readonly source?: (pc: number) => string | undefined;
}

/** The graph in Graphviz's DOT language: a cluster a subprogram, a box a basic block. */
export function toDot(program: DecodedProgram, cfg: Cfg, names: DotNames = {}): string {
  const out = [`digraph "${dotText(names.title ?? 'program')}" {`];
  out.push('  node [shape=box, fontname="monospace"];');
  for (const [index, pc] of cfg.subprogs.entries()) {
    out.push(`  subgraph cluster_${index} {`);
    out.push(`    label="${dotText(names.subprog?.(pc) ?? `subprogram at ${pc}`)}";`);
    for (let block = cfg.blockOf[pc]; block < cfg.blockCount && cfg.subprogOf[block] === index; block++) {
      out.push(`    b${block} [label="${dotLabel(blockText(program, cfg, block, names))}"];`);
    }
    out.push('  }');
  }
  for (let block = 0; block < cfg.blockCount; block++) {
    const isBranch = cfg.next[block] >= 0 && cfg.taken[block] >= 0;
    if (cfg.next[block] >= 0)
      out.push(`  b${block} -> b${cfg.next[block]}${isBranch ? ' [label="no"]' : ''};`);
    if (cfg.taken[block] >= 0)
      out.push(`  b${block} -> b${cfg.taken[block]}${isBranch ? ' [label="yes"]' : ''};`);
  }
  return `${out.join('\n')}\n}\n`;
}

function blockText(program: DecodedProgram, cfg: Cfg, block: number, names: DotNames): string[] {
  const lines: string[] = [];
  for (let pc = cfg.start[block]; pc < cfg.start[block + 1]; pc++) {
    if (program.op[pc] === Op.hole) continue;
    const source = names.source?.(pc);
    if (source !== undefined) lines.push(`; ${source}`);
    lines.push(formatLine(program, pc, names));
  }
  return lines;
}
