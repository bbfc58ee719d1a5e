/**
 * A machine made of the table's reference functions, in BigInt: slow and plain, the oracle of the differential tests
 * where no kernel is at hand. It runs what test/lib/random-program.ts makes.
 */
import type { DecodedProgram } from '../../src/isa/insn.js';
import type { OpRow } from '../../src/isa/ops.js';
import { ROWS } from '../../src/isa/ops.js';
import { aluReference, atomicReference, conditionReference } from '../../src/isa/reference.js';

const PACKET_BASE = 0x2000_0000;
const CTX_BASE = 0x3000_0000;
const STACK_BASE = 0x1000_0000;
const FRAME_SIZE = 512n;
const MAX_STEPS = 100_000;
const MASK = 0xffff_ffff_ffff_ffffn;

export interface ReferenceResult {
  /** 64 bits, unsigned. */
  readonly r0: bigint;
  /** The packet as the program left it; the input is not changed. */
  readonly packet: Uint8Array;
  readonly steps: number;
}

const alu = ROWS.map(aluReference);
const condition = ROWS.map(conditionReference);
const atomic = ROWS.map(atomicReference);

interface Frame {
  readonly returnTo: number;
  readonly saved: readonly bigint[];
}

class Machine {
  readonly r = new Array<bigint>(11).fill(0n);
  readonly frames: Frame[] = [];
  pc = 0;
  steps = 0;
  private offset = 0;
  private readonly stack = new DataView(new ArrayBuffer(Number(FRAME_SIZE) * 8));
  private readonly ctx = new DataView(new ArrayBuffer(256));

  constructor(
    readonly program: DecodedProgram,
    private readonly packet: DataView,
  ) {
    this.ctx.setUint32(76, PACKET_BASE, true);
    this.ctx.setUint32(80, PACKET_BASE + packet.byteLength, true);
    this.r[1] = BigInt(CTX_BASE);
    this.r[10] = BigInt(STACK_BASE) + FRAME_SIZE;
  }

  /** The memory that holds an address; `offset` is the place in it. */
  private at(address: bigint, size: number): DataView {
    const word = Number(address);
    const [base, view] =
      word >= CTX_BASE
        ? [CTX_BASE, this.ctx]
        : word >= PACKET_BASE
          ? [PACKET_BASE, this.packet]
          : [STACK_BASE, this.stack];
    this.offset = word - base;
    if (this.offset >= 0 && this.offset + size <= view.byteLength) return view;
    throw new Error(`insn ${this.pc}: access of ${size} bytes at 0x${address.toString(16)}`);
  }

  load(address: bigint, width: number): bigint {
    const view = this.at(address & MASK, width / 8);
    switch (width) {
      case 8:
        return BigInt(view.getUint8(this.offset));
      case 16:
        return BigInt(view.getUint16(this.offset, true));
      case 32:
        return BigInt(view.getUint32(this.offset, true));
      default:
        return view.getBigUint64(this.offset, true);
    }
  }

  store(address: bigint, width: number, value: bigint): void {
    const view = this.at(address & MASK, width / 8);
    switch (width) {
      case 8:
        view.setUint8(this.offset, Number(value & 0xffn));
        break;
      case 16:
        view.setUint16(this.offset, Number(value & 0xffffn), true);
        break;
      case 32:
        view.setUint32(this.offset, Number(value & 0xffff_ffffn), true);
        break;
      default:
        view.setBigUint64(this.offset, value, true);
    }
  }

  /** A big-endian packet load; undefined beyond the end. */
  packetLoad(offset: bigint, width: number): bigint | undefined {
    if (offset < 0n || Number(offset) + width / 8 > this.packet.byteLength) return undefined;
    let value = 0n;
    for (let byte = 0; byte < width / 8; byte++)
      value = (value << 8n) | BigInt(this.packet.getUint8(Number(offset) + byte));
    return value;
  }
}

const sext32 = (imm: number): bigint => BigInt.asUintN(64, BigInt(imm));

/** One instruction. True when the program is over. */
function step(machine: Machine): boolean {
  const { program, r, pc } = machine;
  const op = program.op[pc];
  const row = ROWS[op];
  const dst = program.dst[pc];
  const src = program.src[pc];
  const operand = row.srcReg ? r[src] : sext32(program.imm[pc]);
  machine.steps++;
  machine.pc = pc + row.slots;
  switch (row.kind) {
    case 'alu':
    case 'neg':
    case 'end':
    case 'movsx':
      r[dst] = alu[op]!(r[dst], operand);
      return false;
    case 'jcc':
      if (condition[op]!(r[dst], operand)) machine.pc = program.target[pc];
      return false;
    case 'ja':
      machine.pc = program.target[pc];
      return false;
    case 'lddw':
      r[dst] = (BigInt(program.immHi[pc] >>> 0) << 32n) | BigInt(program.imm[pc] >>> 0);
      return false;
    case 'call_sub':
      call(machine, program.target[pc]);
      return false;
    case 'exit':
      return leave(machine);
    case 'ldabs':
    case 'ldind':
      return legacyLoad(machine, row, row.kind === 'ldind' ? r[src] : 0n, program.imm[pc]);
    default:
      access(machine, row, op, pc);
      return false;
  }
}

function access(machine: Machine, row: OpRow, op: number, pc: number): void {
  const { program, r } = machine;
  const dst = program.dst[pc];
  const src = program.src[pc];
  const off = BigInt(program.off[pc]);
  switch (row.kind) {
    case 'ldx':
      r[dst] = machine.load(r[src] + off, row.width);
      return;
    case 'ldsx':
      r[dst] = BigInt.asUintN(64, BigInt.asIntN(row.width, machine.load(r[src] + off, row.width)));
      return;
    case 'st':
      machine.store(r[dst] + off, row.width, sext32(program.imm[pc]));
      return;
    case 'stx':
      machine.store(r[dst] + off, row.width, r[src]);
      return;
    case 'atomic':
      break;
    default:
      throw new Error(`insn ${pc}: ${row.name} is not for random programs`);
  }
  if (row.sub === 'load_acq') {
    r[dst] = machine.load(r[src] + off, row.width);
    return;
  }
  const address = r[dst] + off;
  const old = machine.load(address, row.width);
  machine.store(address, row.width, atomic[op]!(old, r[src], r[0]));
  if (row.sub === 'cmpxchg') r[0] = old;
  else if (row.fetch === true) r[src] = old;
}

function call(machine: Machine, target: number): void {
  machine.frames.push({ returnTo: machine.pc, saved: machine.r.slice(6, 11) });
  machine.r[10] += FRAME_SIZE;
  machine.pc = target;
}

function leave(machine: Machine): boolean {
  const frame = machine.frames.pop();
  if (frame === undefined) return true;
  for (const [index, value] of frame.saved.entries()) machine.r[6 + index] = value;
  machine.pc = frame.returnTo;
  return false;
}

/** Index arithmetic is 32-bit; a load beyond the end ends the program with 0. */
function legacyLoad(machine: Machine, row: OpRow, index: bigint, imm: number): boolean {
  const value = machine.packetLoad(BigInt.asIntN(32, index + BigInt(imm)), row.width);
  machine.r[0] = value ?? 0n;
  return value === undefined;
}

/**
 * Runs `program` over a copy of `packet`..
 * @throws Error where the program does what a random program never does, or takes more than 100,000 steps.
 */
export function runReference(
  program: DecodedProgram,
  packet: Uint8Array,
  ops?: Uint32Array,
): ReferenceResult {
  const copy = packet.slice();
  const machine = new Machine(program, new DataView(copy.buffer));
  let isOver = false;
  while (!isOver) {
    if (machine.steps > MAX_STEPS) throw new Error(`more than ${MAX_STEPS} steps`);
    if (ops !== undefined) ops[program.op[machine.pc]]++;
    isOver = step(machine);
  }
  return { r0: machine.r[0], packet: copy, steps: machine.steps };
}
