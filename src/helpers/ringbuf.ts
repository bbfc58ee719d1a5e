/** Helpers: ring buffers. */
import { BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const RINGBUF_HELPERS: readonly Helper[] = [
  absent(130, 'bpf_ringbuf_output', RET.int, [ARG.map, ARG.memRead, ARG.sizeOrZero, ARG.u64], BASE),
  absent(
    131,
    'bpf_ringbuf_reserve',
    RET.ringbufMemOrNull,
    [ARG.map, ARG.make('const_alloc_size_or_zero')(), ARG.u64],
    BASE,
    { acquires: true },
  ),
  absent(132, 'bpf_ringbuf_submit', RET.void, [ARG.make('ringbuf_mem')({ release: true }), ARG.u64], BASE),
  absent(133, 'bpf_ringbuf_discard', RET.void, [ARG.make('ringbuf_mem')({ release: true }), ARG.u64], BASE),
  absent(134, 'bpf_ringbuf_query', RET.u64, [ARG.map, ARG.u64], BASE),
  absent(
    198,
    'bpf_ringbuf_reserve_dynptr',
    RET.int,
    [ARG.map, ARG.u32, ARG.u64, ARG.make('dynptr')({ uninit: true, write: true, dynptr: 'ringbuf' })],
    BASE,
  ),
  absent(
    199,
    'bpf_ringbuf_submit_dynptr',
    RET.void,
    [ARG.make('dynptr')({ release: true, dynptr: 'ringbuf' }), ARG.u64],
    BASE,
  ),
  absent(
    200,
    'bpf_ringbuf_discard_dynptr',
    RET.void,
    [ARG.make('dynptr')({ release: true, dynptr: 'ringbuf' }), ARG.u64],
    BASE,
  ),
  absent(209, 'bpf_user_ringbuf_drain', RET.int, [ARG.map, ARG.func, ARG.stackOrNull, ARG.u64], BASE, {
    callsBack: true,
  }),
];
