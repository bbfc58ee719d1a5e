/** Global variables of a loaded object, by name: what a skeleton gives libbpf's users. */
import type { GlobalSpec, ObjectSpec } from './elf/object-spec.js';
import { BtfKind } from './btf/types.js';
import { UsageError } from './errors.js';
import type { BpfMap } from './maps/map.js';

/** Scalars: a number, a bigint where they have 8 bytes. Arrays, structures and larger scalars: their bytes. */
export type GlobalValue = number | bigint | Uint8Array;

/** @throws UsageError `ERR_BPF_USAGE_NO_GLOBAL`. */
export function findGlobal(spec: ObjectSpec, name: string): GlobalSpec {
  const found = spec.globals.find((global) => global.name === name);
  if (found !== undefined) return found;
  const names = spec.globals.map((global) => global.name);
  throw new UsageError('ERR_BPF_USAGE_NO_GLOBAL', `${spec.name}: no global variable "${name}"`, {
    hint: names.length === 0 ? 'it has none' : `variables: ${names.join(', ')}`,
  });
}

/** Reads a variable. Scalars are unsigned. */
export function readGlobal(spec: ObjectSpec, global: GlobalSpec, map: BpfMap): GlobalValue {
  const bytes = map.lookupElem(new Uint8Array(4)).subarray(global.offset, global.offset + global.size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isCompound(spec, global.typeId)) return bytes;
  switch (global.size) {
    case 1:
      return view.getUint8(0);
    case 2:
      return view.getUint16(0, true);
    case 4:
      return view.getUint32(0, true);
    case 8:
      return view.getBigUint64(0, true);
    default:
      return bytes;
  }
}

/** Writes a variable. @throws MapError EPERM where it is read-only and the object is loaded. */
export function writeGlobal(global: GlobalSpec, map: BpfMap, value: GlobalValue): void {
  const key = new Uint8Array(4);
  const all = map.lookupElem(key);
  placeGlobal(global, all, value);
  map.updateElem(key, all);
}

/** Writes a variable into the contents of its section. @throws UsageError where the bytes are too many, or a number is no integer. */
export function placeGlobal(global: GlobalSpec, section: Uint8Array, value: GlobalValue): void {
  if (value instanceof Uint8Array) {
    if (value.length > global.size) {
      throw new UsageError(
        'ERR_BPF_USAGE_GLOBAL_SIZE',
        `variable ${global.name} has ${global.size} bytes, ${value.length} were given`,
      );
    }
    section.set(value, global.offset);
    return;
  }
  if (typeof value !== 'bigint' && !Number.isInteger(value)) {
    throw new UsageError(
      'ERR_BPF_USAGE_GLOBAL_VALUE',
      `variable ${global.name}: ${String(value)} is no integer`,
    );
  }
  let rest = BigInt.asUintN(64, BigInt(value));
  for (let i = 0; i < global.size; i++, rest >>= 8n) section[global.offset + i] = Number(rest & 0xffn);
}

/** Without type information the size alone decides. */
function isCompound(spec: ObjectSpec, typeId: number): boolean {
  if (spec.btf === undefined || typeId === 0) return false;
  const { kind } = spec.btf.resolve(typeId);
  return kind === BtfKind.Array || kind === BtfKind.Struct || kind === BtfKind.Union;
}
