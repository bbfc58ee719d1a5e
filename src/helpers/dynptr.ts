/** Helpers: dynptrs. */
import { BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const DYNPTR_HELPERS: readonly Helper[] = [
  absent(
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
  ),
  absent(
    201,
    'bpf_dynptr_read',
    RET.int,
    [ARG.memUninit, ARG.sizeOrZero, ARG.dynptrRead, ARG.u32, ARG.u64],
    BASE,
  ),
  absent(
    202,
    'bpf_dynptr_write',
    RET.int,
    [ARG.dynptrRead, ARG.u32, ARG.memRead, ARG.sizeOrZero, ARG.u64],
    BASE,
  ),
  absent(
    203,
    'bpf_dynptr_data',
    RET.dynptrMemOrNull,
    [ARG.dynptrRead, ARG.u32, ARG.make('const_alloc_size_or_zero')()],
    BASE,
  ),
];
