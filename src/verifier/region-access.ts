/** Bounds checks of memory regions: map values and keys, packets, helper memory, buffers. */
import { Errno } from '../errors.js';
import type { VerifierMap } from './input.js';
import { MapFlag } from '../maps/map.js';
import { MAX_VAR_OFF } from './env.js';
import type { Env } from './env.js';
import { formatTnum } from './print-state.js';
import type { Reg } from './reg-state.js';
import { RegFlag, RegType } from './reg-state.js';
import type { Access, AccessSource } from './stack-access.js';
import { S64_MIN } from './tnum.js';

/** Whether [off, off + size) lies in a region of `limit` bytes; else says so in the region's words, and false. */
function fits(
  env: Env,
  regno: number,
  off: bigint,
  size: number,
  limit: number,
  zeroAllowed: boolean,
): boolean {
  const isSizeOk = size > 0 || (size === 0 && zeroAllowed);
  if (off >= 0n && isSizeOk && off + BigInt(size) <= BigInt(limit)) return true;
  const reg = env.reg(regno);
  const shown = BigInt.asIntN(32, off);
  switch (reg.type) {
    case RegType.MapKey:
      env.log.line(`invalid access to map key, key_size=${limit} off=${shown} size=${size}`);
      break;
    case RegType.MapValue:
      env.log.line(`invalid access to map value, value_size=${limit} off=${shown} size=${size}`);
      break;
    case RegType.Packet:
    case RegType.PacketMeta:
    case RegType.PacketEnd:
      env.log.line(
        `invalid access to packet, off=${shown} size=${size}, R${regno}(id=${reg.id},off=${shown},r=${limit})`,
      );
      break;
    default:
      env.log.line(`invalid access to memory, mem_size=${limit} off=${shown} size=${size}`);
  }
  return false;
}

const rejectNegative = (env: Env, regno: number): never =>
  env.reject(
    Errno.EACCES,
    `R${regno} min value is negative, either use unsigned index or do a if (index >=0) check.`,
  );

/** `size` bytes at reg + off (its fixed offset included), reg with a variable part, in `limit` bytes. */
export function assertRegion(
  env: Env,
  regno: number,
  off: number,
  size: number,
  limit: number,
  zeroAllowed: boolean,
): void {
  const { smin, umax } = env.reg(regno).bounds;
  const at = BigInt(off);
  if (smin < 0n && (smin === S64_MIN || BigInt.asIntN(32, at + smin) !== at + smin || at + smin < 0n)) {
    rejectNegative(env, regno);
  }
  if (!fits(env, regno, smin + at, size, limit, zeroAllowed)) {
    env.reject(Errno.EACCES, `R${regno} min value is outside of the allowed memory range`);
  }
  if (umax >= BigInt(MAX_VAR_OFF)) {
    env.reject(Errno.EACCES, `R${regno} unbounded memory access, make sure to bounds check any such access`);
  }
  if (!fits(env, regno, umax + at, size, limit, zeroAllowed)) {
    env.reject(Errno.EACCES, `R${regno} max value is outside of the allowed memory range`);
  }
}

/** Bytes of a packet: `off` (with the pointer's fixed offset) must be within what was compared with the end. */
export function assertPacket(env: Env, regno: number, off: number, size: number, zeroAllowed: boolean): void {
  const reg = env.reg(regno);
  if (reg.bounds.smin < 0n) rejectNegative(env, regno);
  if (reg.range < 0) env.reject(Errno.EINVAL, `R${regno} offset is outside of the packet`);
  if (!fits(env, regno, BigInt(off), size, reg.range, zeroAllowed)) {
    env.reject(Errno.EACCES, `R${regno} offset is outside of the packet`);
  }
}

/** The map's flags allow programs to read or write values directly. */
export function assertMapCapability(
  env: Env,
  map: VerifierMap,
  off: number,
  size: number,
  access: Access,
): void {
  if (access === 'write' && (map.flags & MapFlag.RDONLY_PROG) !== 0) {
    env.reject(Errno.EACCES, `write into map forbidden, value_size=${map.valueSize} off=${off} size=${size}`);
  }
  if (access === 'read' && (map.flags & MapFlag.WRONLY_PROG) !== 0) {
    env.reject(Errno.EACCES, `read from map forbidden, value_size=${map.valueSize} off=${off} size=${size}`);
  }
}

const FIELD_NAMES: Readonly<Record<string, string>> = {
  spin_lock: 'bpf_spin_lock',
  res_spin_lock: 'bpf_res_spin_lock',
  timer: 'bpf_timer',
  wq: 'bpf_wq',
  kptr_unref: 'kptr',
  kptr_ref: 'kptr',
  kptr_percpu: 'percpu_kptr',
  uptr: 'uptr',
  list_head: 'bpf_list_head',
  list_node: 'bpf_list_node',
  rb_root: 'bpf_rb_root',
  rb_node: 'bpf_rb_node',
  refcount: 'bpf_refcount',
  task_work: 'bpf_task_work',
};

export const fieldTypeName = (kind: string): string => FIELD_NAMES[kind] ?? kind;

/** A map value's bytes, and none of its locks, timers and kernel pointers. */
export function assertMapValue(
  env: Env,
  regno: number,
  off: number,
  size: number,
  zeroAllowed: boolean,
  source: AccessSource,
): void {
  const reg = env.reg(regno);
  const map = reg.map!;
  assertRegion(env, regno, off, size, map.valueSize, zeroAllowed);
  const from = reg.bounds.smin + BigInt(off);
  const to = reg.bounds.umax + BigInt(off + size);
  for (const field of map.fields) {
    if (from >= BigInt(field.offset + field.size) || BigInt(field.offset) >= to) continue;
    if (!field.kind.startsWith('kptr') && field.kind !== 'uptr') {
      env.reject(Errno.EACCES, `${fieldTypeName(field.kind)} cannot be accessed directly by load/store`);
    }
    assertKptrAccess(env, reg, field.offset, off, size, source);
  }
}

function assertKptrAccess(
  env: Env,
  reg: Reg,
  at: number,
  off: number,
  size: number,
  source: AccessSource,
): void {
  if (source === 'helper') env.reject(Errno.EACCES, 'kptr cannot be accessed indirectly by helper');
  if (!reg.bounds.isConst()) env.reject(Errno.EACCES, 'kptr access cannot have variable offset');
  const actual = BigInt(off) + reg.bounds.tnum.value;
  if (BigInt(at) !== actual) {
    env.reject(Errno.EACCES, `kptr access misaligned expected=${at} off=${actual}`);
  }
  if (size !== 8) env.reject(Errno.EACCES, 'kptr access size must be BPF_DW');
}

/** A buffer whose end is checked where the program is attached: only the start is known here. */
export function assertBuffer(env: Env, regno: number, off: number, size: number, what: string): void {
  const reg = env.reg(regno);
  if (off < 0) env.reject(Errno.EACCES, `R${regno} invalid ${what} buffer access: off=${off}, size=${size}`);
  const { bounds } = reg;
  if (!bounds.isConst() || bounds.tnum.value !== 0n) {
    env.reject(
      Errno.EACCES,
      `R${regno} invalid variable buffer offset: off=${off}, var_off=${formatTnum(bounds.tnum)}`,
    );
  }
}

/** Pointers that may not be moved before they are used. */
export function assertUnmoved(env: Env, reg: Reg, regno: number, isFixedOffAllowed: boolean): void {
  const name = reg.typeName();
  if (reg.off < 0) {
    env.reject(Errno.EACCES, `negative offset ${name} ptr R${regno} off=${reg.off} disallowed`);
  }
  if (!isFixedOffAllowed && reg.off !== 0) {
    env.reject(Errno.EACCES, `dereference of modified ${name} ptr R${regno} off=${reg.off} disallowed`);
  }
  const { bounds } = reg;
  if (!bounds.isConst() || bounds.tnum.value !== 0n) {
    env.reject(Errno.EACCES, `variable ${name} access var_off=${formatTnum(bounds.tnum)} disallowed`);
  }
}

export const isReadOnly = (reg: Reg): boolean => reg.has(RegFlag.RdOnly);
