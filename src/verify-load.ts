/** Verification as a part of loading: with the maps that were created, and a refusal as an error. */
import type { ObjectSpec, ProgramSpec } from './elf/object-spec.js';
import { Errno, VerifierError } from './errors.js';
import { DecodeError, decode } from './isa/decode.js';
import type { DecodedProgram } from './isa/insn.js';
import { Op } from './isa/op.gen.js';
import type { BpfMap, MapSpec } from './maps/map.js';
import type { AttachType, ProgType } from './progs/prog-types.js';
import { verifierInput } from './verifier-input.js';
import type { VerifyResult } from './verifier/verify.js';
import { verify } from './verifier/verify.js';

export interface ProgramToLoad {
  readonly spec: ObjectSpec;
  readonly program: ProgramSpec;
  readonly kind: { readonly progType: ProgType; readonly attachType?: AttachType };
  /** Relocated. */
  readonly bytes: Uint8Array;
  readonly maps: ReadonlyMap<number, BpfMap>;
  /** Maps that the caller put in the place of the object's. */
  readonly given: Readonly<Record<string, BpfMap>>;
  readonly cpus: number;
}

/** A program that may run. */
export interface CheckedProgram {
  readonly insns: DecodedProgram;
  /** First slots of the subprograms, ascending; 0 first. */
  readonly subprogs: readonly number[];
  /** Per slot: 1 where the verifier proved the memory access; absent where it was not asked. */
  readonly proved?: Uint8Array;
}

/** @throws VerifierError `ERR_BPF_VERIFIER_REJECTED` with the whole log. */
export function verifyLoaded(p: ProgramToLoad): CheckedProgram {
  const insns = decodeLoaded(p);
  const maps = new Map<number, MapSpec>();
  for (const [id, map] of p.maps) maps.set(id, specOf(p, map));
  const input = verifierInput({
    spec: p.spec,
    program: p.program,
    progType: p.kind.progType,
    attachType: p.kind.attachType ?? p.program.attachType,
    insns,
    maps,
    cpus: p.cpus,
  });
  const result = verify(input);
  // The log is made only where somebody will read it.
  if (result.verdict === 'reject') throw rejected(p, verify(input, { logLevel: 1 }));
  return { insns, subprogs: subprogStarts(insns), proved: result.proved };
}

/** What a program may do with a map is what the map can take, whatever the object declares. */
function specOf(p: ProgramToLoad, map: BpfMap): MapSpec {
  const name = Object.entries(p.given).find(([, given]) => given === map)?.[0];
  const declared = p.spec.maps.find((spec) => spec.name === name);
  return declared === undefined ? map.spec : withTypesOf(declared, map.spec);
}

/** Type ids of a map that came from elsewhere mean nothing in this object: those that the object declares take their place. */
function withTypesOf(declared: MapSpec, actual: MapSpec): MapSpec {
  const { inner, ...own } = actual;
  return {
    ...own,
    name: declared.name,
    keyTypeId: declared.keyTypeId ?? 0,
    valueTypeId: declared.valueTypeId ?? 0,
    ...(inner === undefined
      ? {}
      : { inner: withTypesOf(declared.inner ?? { ...inner, valueTypeId: 0 }, inner) }),
  };
}

function decodeLoaded(p: ProgramToLoad): DecodedProgram {
  try {
    return decode(p.bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const info = { program: p.program.name, errno: Errno.EINVAL, pc: error.pc, log: [error.message] };
    throw new VerifierError('ERR_BPF_VERIFIER_REJECTED', `${where(p)}: ${error.message}`, info, {
      cause: error,
    });
  }
}

function where(p: ProgramToLoad): string {
  return `${p.spec.name}: section ${p.program.section}: program ${p.program.name}`;
}

function rejected(p: ProgramToLoad, result: VerifyResult): VerifierError {
  const { pc, errno, message } = result;
  const line = p.program.lineInfo.findLast((info) => info.pc <= pc);
  const source = line === undefined ? '' : ` [${line.file}:${line.line}: ${line.text.trim()}]`;
  const info = { program: p.program.name, errno, pc, log: result.log.map((entry) => entry.text) };
  return new VerifierError(
    'ERR_BPF_VERIFIER_REJECTED',
    `${where(p)}: ${pc < 0 ? '' : `insn ${pc}: `}${message}${source}`,
    info,
    { hint: `bpfvm verify ${p.spec.name} --prog ${p.program.name} explains it` },
  );
}

function subprogStarts(insns: DecodedProgram): number[] {
  const starts = new Set([0]);
  for (let pc = 0; pc < insns.length; pc++) {
    if (insns.op[pc] === Op.call_sub || insns.op[pc] === Op.lddw_func) starts.add(insns.target[pc]);
  }
  return [...starts].sort((a, b) => a - b);
}
