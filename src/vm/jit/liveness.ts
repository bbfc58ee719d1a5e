/** Which registers a subprogram reads before it writes them: its parameters. */
import type { DecodedProgram } from '../../isa/insn.js';
import { Op } from '../../isa/op.gen.js';
import type { OpRow } from '../../isa/ops.js';
import { ROWS } from '../../isa/ops.js';
import type { Flow } from './flow.js';

const enum Use {
  ReadDst = 1,
  ReadSrc = 2,
  WriteDst = 4,
  WriteSrc = 8,
  ReadR0 = 16,
  WriteR0 = 32,
  Call = 64,
}

function usesOf(row: OpRow): number {
  const readSrc = row.src === 'reg' ? Use.ReadSrc : 0;
  switch (row.kind) {
    case 'alu':
      return (row.sub === 'mov' ? 0 : Use.ReadDst) | readSrc | Use.WriteDst;
    case 'neg':
    case 'end':
      return Use.ReadDst | Use.WriteDst;
    case 'movsx':
    case 'addr_space_cast':
    case 'ldx':
    case 'ldsx':
      return Use.ReadSrc | Use.WriteDst;
    case 'lddw':
      return Use.WriteDst;
    case 'st':
      return Use.ReadDst;
    case 'stx':
      return Use.ReadDst | Use.ReadSrc;
    case 'atomic':
      if (row.sub === 'load_acq') return Use.ReadSrc | Use.WriteDst;
      if (row.sub === 'cmpxchg') return Use.ReadDst | Use.ReadSrc | Use.ReadR0 | Use.WriteR0;
      return Use.ReadDst | Use.ReadSrc | (row.fetch === true ? Use.WriteSrc : 0);
    case 'ldabs':
    case 'ldind':
      return readSrc | Use.WriteR0;
    case 'jcc':
      return Use.ReadDst | readSrc;
    case 'exit':
      return Use.ReadR0;
    case 'call':
    case 'call_sub':
    case 'call_kfunc':
    case 'callx':
      return Use.Call | Use.WriteR0 | (row.kind === 'callx' ? Use.ReadDst : 0);
    default:
      return 0;
  }
}

/** `Use` bits of each `Op`; the hole at the end uses nothing. */
const USES: Uint8Array = Uint8Array.from([...ROWS.map(usesOf), 0]);

/** Registers that an instruction writes, as a mask; calls leave r1..r5 as they are. */
export function writtenBy(insns: DecodedProgram, pc: number): number {
  const use = USES[insns.op[pc]];
  let mask = (use & Use.WriteR0) === 0 ? 0 : 1;
  if ((use & Use.WriteDst) !== 0) mask |= 1 << insns.dst[pc];
  if ((use & Use.WriteSrc) !== 0) mask |= 1 << insns.src[pc];
  return mask;
}

/** Mask of the arguments of a call: those of a subprogram that is already known, a helper's, or all five. */
export type ArgsOfCall = (pc: number) => number;

export const ALL_ARGS = 0b11_1110;

/** Mask of the registers that are live where the subprogram begins, r10 left out. */
export function liveIn(insns: DecodedProgram, flow: Flow, argsOfCall: ArgsOfCall): number {
  const { count, start, end, next, taken } = flow;
  const live = new Uint16Array(count);
  const reads = new Uint16Array(count);
  const writes = new Uint16Array(count);
  for (let block = 0; block < count; block++) {
    let read = 0;
    let written = 0;
    for (let pc = end[block] - 1; pc >= start[block]; pc--) {
      const use = USES[insns.op[pc]];
      if (insns.op[pc] === Op.hole || use === 0) continue;
      const mask = writtenBy(insns, pc);
      read &= ~mask;
      written |= mask;
      if ((use & Use.ReadDst) !== 0) read |= 1 << insns.dst[pc];
      if ((use & Use.ReadSrc) !== 0) read |= 1 << insns.src[pc];
      if ((use & Use.ReadR0) !== 0) read |= 1;
      if ((use & Use.Call) !== 0) read |= argsOfCall(pc);
    }
    reads[block] = read;
    writes[block] = written;
  }
  for (let changed = true; changed;) {
    changed = false;
    for (let block = count - 1; block >= 0; block--) {
      let out = next[block] >= 0 ? live[next[block]] : 0;
      if (taken[block] >= 0) out |= live[taken[block]];
      const value = reads[block] | (out & ~writes[block]);
      if (value === live[block]) continue;
      live[block] = value;
      changed = true;
    }
  }
  return live[0] & 0x3ff;
}
