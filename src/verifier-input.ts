/** From an object file's program to what the verifier is given: the two layers do not know each other. */
import type { Btf } from './btf/btf.js';
import type { BtfType } from './btf/types.js';
import { BtfKind, BtfLinkage } from './btf/types.js';
import type { ObjectSpec, ProgramSpec } from './elf/object-spec.js';
import { kfuncById } from './helpers/kfuncs.js';
import type { DecodedProgram } from './isa/insn.js';
import type { MapSpec } from './maps/map.js';
import { MapFlag } from './maps/map.js';
import type { AttachType, ProgType } from './progs/prog-types.js';
import { specialFieldsOf } from './special-fields.js';
import type {
  LocalType,
  SourceLine,
  SubprogArg,
  VerifierFlags,
  VerifierInput,
  VerifierMap,
  VerifierSubprog,
} from './verifier/input.js';

export interface ProgramToVerify {
  readonly spec: ObjectSpec;
  readonly program: ProgramSpec;
  readonly progType: ProgType;
  readonly attachType: AttachType;
  /** Relocated. */
  readonly insns: DecodedProgram;
  /** The maps that its instructions name, by the number that stands for them. */
  readonly maps: ReadonlyMap<number, MapSpec>;
  readonly flags?: VerifierFlags;
  /** Types of the kernel that the instructions were relocated against. */
  readonly kernel?: Btf;
  readonly cpus?: number;
}

/** BPF_F_SLEEPABLE of BPF_PROG_LOAD. */
const SLEEPABLE = 1 << 4;

export function verifierInput(p: ProgramToVerify): VerifierInput {
  const { spec, program } = p;
  const { btf } = spec;
  const subprogs = btf === undefined || program.funcInfo.length === 0 ? undefined : subprogsOf(btf, p);
  const maps = new Map<number, VerifierMap>();
  for (const [id, map] of p.maps) maps.set(id, verifierMap(id, map, btf));
  return {
    name: program.name,
    progType: p.progType,
    attachType: p.attachType,
    ...(program.attachTarget === undefined ? {} : { attachTo: program.attachTarget }),
    flags: { sleepable: (program.flags & SLEEPABLE) !== 0, ...p.flags },
    isGpl: isGplCompatible(spec.license),
    insns: p.insns,
    ...(subprogs === undefined ? {} : { subprogs }),
    maps,
    ...(p.cpus === undefined ? {} : { cpus: p.cpus }),
    kfuncName: (pc) => kfuncById(p.insns.imm[pc])?.name,
    localType: (id) => localType(btf, id),
    kernelStruct: (id) => structName(p.kernel, id),
    sourceLine: lineFinder(program),
  };
}

const GPL = new Set([
  'GPL',
  'GPL v2',
  'GPL and additional rights',
  'Dual BSD/GPL',
  'Dual MIT/GPL',
  'Dual MPL/GPL',
]);

/** The licenses that give access to GPL-only helpers. */
export const isGplCompatible = (license: string): boolean => GPL.has(license);

/** A map as the verifier sees it. */
export function verifierMap(id: number, map: MapSpec, btf: Btf | undefined): VerifierMap {
  const isConstant = map.frozen === true && (map.flags & MapFlag.RDONLY_PROG) !== 0;
  return {
    id,
    name: map.name,
    type: map.type,
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    flags: map.flags,
    fields: btf === undefined ? [] : specialFieldsOf(btf, map.valueTypeId ?? 0),
    ...(map.inner === undefined ? {} : { inner: verifierMap(0, map.inner, btf) }),
    ...(isConstant && map.initialValue !== undefined ? { constant: map.initialValue } : {}),
  };
}

function structName(btf: Btf | undefined, id: number): string | undefined {
  const type = btf?.types[id];
  return type?.kind === BtfKind.Struct ? type.name : undefined;
}

function localType(btf: Btf | undefined, id: number): LocalType | undefined {
  const type = btf?.types[id];
  if (btf === undefined || type?.kind !== BtfKind.Struct) return undefined;
  return { name: type.name, size: type.size, fields: specialFieldsOf(btf, id) };
}

function lineFinder(program: ProgramSpec): (pc: number) => SourceLine | undefined {
  const lines = program.lineInfo;
  return (pc) => {
    let low = 0;
    let high = lines.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (lines[middle].pc <= pc) low = middle + 1;
      else high = middle;
    }
    return lines[low - 1];
  };
}

function subprogsOf(btf: Btf, p: ProgramToVerify): VerifierSubprog[] {
  const tags = declTags(btf);
  const exception = exceptionCallback(p.program, tags);
  return p.program.funcInfo.map((info, i): VerifierSubprog => {
    const func = btf.type(info.typeId);
    const start = info.pc;
    const proto = func.kind === BtfKind.Func ? btf.type(func.type) : undefined;
    if (func.kind !== BtfKind.Func || proto?.kind !== BtfKind.FuncProto) {
      return { start, name: `func${i}`, isGlobal: false };
    }
    const isGlobal = i > 0 && func.linkage === BtfLinkage.Global;
    return {
      start,
      name: func.name,
      isGlobal,
      returnsScalar: isScalar(btf.resolve(proto.type)),
      returnsVoid: proto.type === 0,
      isExceptionCallback: func.name === exception,
      args: proto.params.map((param, n) =>
        argOf(btf, p, param.type, n, tags.get(`${info.typeId}:${n}`) ?? []),
      ),
    };
  });
}

/** Names of the tags on `type:component`. */
const EXCEPTION_TAG = 'exception_callback:';

/** Name of the function that a program declares with `__exception_cb`. */
function exceptionCallback(
  program: ProgramSpec,
  tags: ReadonlyMap<string, readonly string[]>,
): string | undefined {
  return program.funcInfo
    .flatMap((info) => tags.get(`${info.typeId}:-1`) ?? [])
    .find((tag) => tag.startsWith(EXCEPTION_TAG))
    ?.slice(EXCEPTION_TAG.length);
}

/** First slot of that function in the linked program. */
export function exceptionCallbackSlot(btf: Btf, program: ProgramSpec): number | undefined {
  const name = exceptionCallback(program, declTags(btf));
  if (name === undefined) return undefined;
  return program.funcInfo.find((info) => {
    const func = btf.type(info.typeId);
    return func.kind === BtfKind.Func && func.name === name;
  })?.pc;
}

function declTags(btf: Btf): ReadonlyMap<string, readonly string[]> {
  const tags = new Map<string, string[]>();
  for (const type of btf.types) {
    if (type.kind !== BtfKind.DeclTag) continue;
    const key = `${type.type}:${type.component}`;
    const list = tags.get(key);
    if (list === undefined) tags.set(key, [type.name]);
    else list.push(type.name);
  }
  return tags;
}

const isScalar = (type: BtfType): boolean =>
  type.kind === BtfKind.Int || type.kind === BtfKind.Enum || type.kind === BtfKind.Enum64;

/** Structures that a global function's context argument may name, whatever the program type. */
const CONTEXTS = new Set([
  '__sk_buff',
  'xdp_md',
  'bpf_sock',
  'bpf_sock_addr',
  'bpf_sock_ops',
  'sk_msg_md',
  'bpf_user_pt_regs_t',
  'pt_regs',
  'bpf_perf_event_data',
  'bpf_raw_tracepoint_args',
  'bpf_cgroup_dev_ctx',
  'bpf_sysctl',
  'bpf_sockopt',
  'sk_reuseport_md',
  'bpf_sk_lookup',
  'bpf_flow_keys',
  'bpf_nf_ctx',
]);

function argOf(
  btf: Btf,
  p: ProgramToVerify,
  typeId: number,
  index: number,
  tags: readonly string[],
): SubprogArg {
  const has = (tag: string): boolean => tags.includes(`arg:${tag}`);
  const type = btf.resolve(typeId);
  if (isScalar(type)) return { kind: 'scalar' };
  if (type.kind !== BtfKind.Ptr) {
    return {
      kind: 'unsupported',
      message: `Arg#${index} type ${kindName(type)} in ${functionName(p)}() is not supported yet.`,
    };
  }
  const target = btf.skipModifiers(type.type);
  const resolved = btf.resolve(type.type);
  if (has('ctx') || CONTEXTS.has(target.name) || CONTEXTS.has(resolved.name)) return { kind: 'ctx' };
  if (resolved.name === 'bpf_dynptr') return { kind: 'dynptr' };
  if (has('arena')) return { kind: 'arena' };
  if (has('trusted') || has('untrusted')) {
    return { kind: 'btf', struct: resolved.name, nullable: has('nullable'), trusted: has('trusted') };
  }
  return memoryArg(btf, type.type, index, !has('nonnull'));
}

function memoryArg(btf: Btf, typeId: number, index: number, nullable: boolean): SubprogArg {
  try {
    return { kind: 'mem', size: btf.sizeOf(typeId), nullable };
  } catch {
    const type = btf.resolve(typeId);
    return {
      kind: 'unsupported',
      message: `arg#${index} reference type('${kindName(type)} ${type.name}') size cannot be determined: -22`,
    };
  }
}

const functionName = (p: ProgramToVerify): string => p.program.name;
const kindName = (type: BtfType): string => BtfKindNames[type.kind] ?? 'UNKNOWN';
const BtfKindNames: readonly string[] = ['UNKNOWN', 'INT', 'PTR', 'ARRAY', 'STRUCT', 'UNION', 'ENUM', 'FWD', 'TYPEDEF', 'VOLATILE', 'CONST', 'RESTRICT', 'FUNC', 'FUNC_PROTO', 'VAR', 'DATASEC', 'FLOAT', 'DECL_TAG', 'TYPE_TAG', 'ENUM64']; // prettier-ignore
