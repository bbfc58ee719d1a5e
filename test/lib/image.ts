/** Programs for the engines out of raw instructions, without an object file. */
import type { Helper } from '../../src/helpers/proto.js';
import type { VmServices } from '../../src/helpers/run-state.js';
import { RunState } from '../../src/helpers/run-state.js';
import { decode } from '../../src/isa/decode.js';
import { writeInsn } from '../../src/isa/insn.js';
import { Op } from '../../src/isa/op.gen.js';
import type { OpName } from '../../src/isa/op.gen.js';
import { ROWS } from '../../src/isa/ops.js';
import type { BpfMap } from '../../src/maps/map.js';
import { BpfMemory } from '../../src/memory/memory.js';
import { ProgType } from '../../src/progs/prog-types.js';
import type { ProgramImage } from '../../src/vm/engine.js';

export interface Fields {
  readonly dst?: number;
  readonly src?: number;
  readonly off?: number;
  readonly imm?: number;
  /** Upper word of a lddw. */
  readonly immHi?: number;
}

const rowByName = new Map(ROWS.map((row) => [row.name, row]));

/** The bytes of one instruction; selecting fields are filled in. */
export function insn(name: OpName, fields: Fields = {}): Uint8Array {
  const row = rowByName.get(name)!;
  const bytes = new Uint8Array(row.slots * 8);
  const plain = { opcode: row.opcode, dst: 0, src: 0, off: 0, imm: 0, ...fields };
  if (row.select !== undefined) plain[row.select.field] = row.select.value;
  writeInsn(bytes, 0, plain);
  if (row.slots === 2) writeInsn(bytes, 8, { opcode: 0, dst: 0, src: 0, off: 0, imm: fields.immHi ?? 0 });
  return bytes;
}

/** r[dst] = value, as a lddw. */
export function load64(dst: number, value: bigint): Uint8Array {
  return insn('lddw', {
    dst,
    imm: Number(BigInt.asIntN(32, value)),
    immHi: Number(BigInt.asIntN(32, value >> 32n)),
  });
}

export const exit = insn('exit');

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export interface ImageOptions {
  readonly helpers?: readonly Helper[];
  readonly kfuncs?: ReadonlyMap<number, Helper>;
  readonly maps?: readonly BpfMap[];
  readonly proved?: Uint8Array;
}

/** An image of raw bytes; subprograms start where calls and function pointers lead. */
export function imageOf(bytes: Uint8Array, options: ImageOptions = {}): ProgramImage {
  const insns = decode(bytes);
  const subprogs = new Set([0]);
  for (let pc = 0; pc < insns.length; pc++) {
    if (insns.op[pc] === Op.call_sub || insns.op[pc] === Op.lddw_func) subprogs.add(insns.target[pc]);
  }
  return {
    name: 'test',
    progType: ProgType.SocketFilter,
    insns,
    subprogs: [...subprogs].sort((a, b) => a - b),
    maps: new Map((options.maps ?? []).map((map) => [map.id, map])),
    helpers: new Map((options.helpers ?? []).map((helper) => [helper.id, helper])),
    ...(options.kfuncs === undefined ? {} : { kfuncs: options.kfuncs }),
    ...(options.proved === undefined ? {} : { proved: options.proved }),
  };
}

/** A RunState over services that stand still: time 0, CPU 0, no output. */
export function runStateOf(memory = new BpfMemory(), maps: readonly BpfMap[] = []): RunState {
  const services: VmServices = {
    memory,
    mapByHandle: (address) => maps.find((map) => map.handle.base === address),
    mapById: (id) => maps.find((map) => map.id === id),
    ktimeNs: () => 0n,
    wallTimeNs: () => 0n,
    random: () => 4,
    cpus: 1,
    currentCpu: () => 0,
    printk: () => undefined,
  };
  return new RunState(services);
}
