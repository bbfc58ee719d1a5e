/** Helpers: dynptrs. */
import { Errno } from '../errors.js';
import {
  clearDynptr,
  DYNPTR_MAX_SIZE,
  DynptrType,
  inDynptr,
  readDynptr,
  writeDynptr,
} from './dynptr-memory.js';
import { BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

function dynptrFromMem(
  run: RunState,
  data: number,
  size: number,
  flags: number,
  flagsHi: number,
  dynptr: number,
): number {
  const { memory } = run.vm;
  clearDynptr(memory, dynptr);
  if (size >>> 0 > DYNPTR_MAX_SIZE) return -Errno.E2BIG;
  if (flags !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  writeDynptr(memory, dynptr, { type: DynptrType.Local, data, size, offset: 0, readOnly: false });
  return 0;
}

function dynptrRead(
  run: RunState,
  to: number,
  size: number,
  dynptr: number,
  offset: number,
  flags: number,
  flagsHi: number,
): number {
  const from = readDynptr(run.vm.memory, dynptr);
  if (from === null || flags !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  if (!inDynptr(from, offset, size)) return -Errno.E2BIG;
  const at = from.offset + offset;
  if (from.type === DynptrType.Skb) return run.skb?.loadBytes(at, to, size) ?? -Errno.EINVAL;
  if (from.type === DynptrType.Xdp) return run.xdp?.loadBytes(at, to, size) ?? -Errno.EINVAL;
  run.vm.memory.u8.copyWithin(to, from.data + at, from.data + at + size);
  return 0;
}

function dynptrWrite(
  run: RunState,
  dynptr: number,
  offset: number,
  from: number,
  size: number,
  flags: number,
  flagsHi: number,
): number {
  const to = readDynptr(run.vm.memory, dynptr);
  if (to === null || to.readOnly) return -Errno.EINVAL;
  if (!inDynptr(to, offset, size)) return -Errno.E2BIG;
  const at = to.offset + offset;
  if (to.type === DynptrType.Skb && flagsHi === 0) {
    return run.skb?.storeBytes(at, from, size, flags) ?? -Errno.EINVAL;
  }
  if (flags !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  if (to.type === DynptrType.Xdp) return run.xdp?.storeBytes(at, from, size) ?? -Errno.EINVAL;
  run.vm.memory.u8.copyWithin(to.data + at, from, from + size);
  return 0;
}

/** Address of `size` bytes, for memory that is all there; packets are sliced by kfuncs. */
function dynptrData(run: RunState, dynptr: number, offset: number, size: number): number {
  const found = readDynptr(run.vm.memory, dynptr);
  if (found === null || found.readOnly || !inDynptr(found, offset, size)) return 0;
  if (found.type !== DynptrType.Local && found.type !== DynptrType.Ringbuf) return 0;
  return found.data + found.offset + offset;
}

export const DYNPTR_HELPERS: readonly Helper[] = [
  helper(
    197,
    'bpf_dynptr_from_mem',
    RET.int,
    [
      ARG.memUninit,
      ARG.sizeOrZero,
      ARG.u64,
      ARG.make('dynptr')({ uninit: true, write: true, dynptr: 'local' }),
    ],
    BASE,
    dynptrFromMem,
  ),
  helper(
    201,
    'bpf_dynptr_read',
    RET.int,
    [ARG.memUninit, ARG.sizeOrZero, ARG.dynptrRead, ARG.u32, ARG.u64],
    BASE,
    dynptrRead,
  ),
  helper(
    202,
    'bpf_dynptr_write',
    RET.int,
    [ARG.dynptrRead, ARG.u32, ARG.memRead, ARG.sizeOrZero, ARG.u64],
    BASE,
    dynptrWrite,
  ),
  helper(
    203,
    'bpf_dynptr_data',
    RET.dynptrMemOrNull,
    [ARG.dynptrRead, ARG.u32, ARG.make('const_alloc_size_or_zero')()],
    BASE,
    dynptrData,
  ),
];
