/** Memory accesses that the interpreter's loop does not do itself: unpredicted, unaligned, atomic. */
import type { AtomicOp } from '../isa/ops.js';
import { ROWS } from '../isa/ops.js';
import type { Machine } from './machine.js';

/** A load or store at `p`, checked. @throws BpfFault */
export function memoryAccess(machine: Machine, p: number): void {
  const { registers: r, memory } = machine;
  const word = machine.code.words[p];
  const d = (word >> 8) & 31;
  const s = word >>> 13;
  const row = ROWS[word & 255];
  const isLoad = row.kind === 'ldx' || row.kind === 'ldsx';
  const at = machine.checkAccess(p, isLoad ? s : d, row.width / 8, isLoad ? 'read' : 'write');
  if (!isLoad) {
    store(memory.view, at, row.width, r[s], r[s + 1]);
    return;
  }
  const lo = load(memory.view, at, row.width);
  r[d + 1] = row.width === 64 ? memory.view.getInt32(at + 4, true) : 0;
  if (row.kind === 'ldx') r[d] = lo;
  else signExtend(r, d, lo, row.width);
}

function signExtend(r: Int32Array, d: number, lo: number, width: number): void {
  r[d] = (lo << (32 - width)) >> (32 - width);
  r[d + 1] = r[d] >> 31;
}

/** The low word of what is at `at`. */
function load(view: DataView, at: number, width: number): number {
  if (width === 8) return view.getUint8(at);
  return width === 16 ? view.getUint16(at, true) : view.getInt32(at, true);
}

function store(view: DataView, at: number, width: number, lo: number, hi: number): void {
  if (width === 8) view.setInt8(at, lo);
  else if (width === 16) view.setInt16(at, lo, true);
  else view.setInt32(at, lo, true);
  if (width === 64) view.setInt32(at + 4, hi, true);
}

/** An atomic operation at `p`: nothing runs beside a program, so it is a load and a store. @throws BpfFault */
export function atomicAccess(machine: Machine, p: number): void {
  const { registers: r, memory } = machine;
  const word = machine.code.words[p];
  const d = (word >> 8) & 31;
  const s = word >>> 13;
  const { sub, width, fetch } = ROWS[word & 255];
  const size = width / 8;
  const isLoad = sub === 'load_acq';
  const at = machine.checkAccess(p, isLoad ? s : d, size, isLoad ? 'read' : 'atomic');
  if ((at & (size - 1)) !== 0) throw machine.misaligned(p, at, size);
  const { view } = memory;
  const lo = load(view, at, width);
  const hi = width === 64 ? view.getInt32(at + 4, true) : 0;
  const srcLo = r[s];
  const srcHi = r[s + 1];
  let old = fetch === true ? s : -1;
  switch (sub as AtomicOp) {
    case 'add': {
      const sum = (lo + srcLo) | 0;
      store(view, at, width, sum, hi + srcHi + (sum >>> 0 < lo >>> 0 ? 1 : 0));
      break;
    }
    case 'or':
      store(view, at, width, lo | srcLo, hi | srcHi);
      break;
    case 'and':
      store(view, at, width, lo & srcLo, hi & srcHi);
      break;
    case 'xor':
      store(view, at, width, lo ^ srcLo, hi ^ srcHi);
      break;
    case 'xchg':
    case 'store_rel':
      store(view, at, width, srcLo, srcHi);
      break;
    case 'cmpxchg':
      if (lo === r[0] && (width === 32 || hi === r[1])) store(view, at, width, srcLo, srcHi);
      old = 0;
      break;
    case 'load_acq':
      old = d;
  }
  if (old < 0) return;
  r[old] = lo;
  r[old + 1] = hi;
}
