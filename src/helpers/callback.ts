/** Helpers: loops and timers. */
import { TRACING, BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const CALLBACK_HELPERS: readonly Helper[] = [
  absent(181, 'bpf_loop', RET.int, [ARG.u32, ARG.func, ARG.stackOrNull, ARG.u64], BASE, { callsBack: true }),
  absent(169, 'bpf_timer_init', RET.int, [ARG.timer, ARG.map, ARG.u64], BASE, { gplOnly: true }),
  absent(170, 'bpf_timer_set_callback', RET.int, [ARG.timer, ARG.func], BASE, {
    gplOnly: true,
    callsBack: true,
  }),
  absent(171, 'bpf_timer_start', RET.int, [ARG.timer, ARG.u64, ARG.u64], BASE, { gplOnly: true }),
  absent(172, 'bpf_timer_cancel', RET.int, [ARG.timer], BASE, { gplOnly: true }),
  absent(
    180,
    'bpf_find_vma',
    RET.int,
    [ARG.make('btf_id')({ btf: ['task_struct'] }), ARG.u64, ARG.func, ARG.stackOrNull, ARG.u64],
    TRACING,
    { callsBack: true },
  ),
];
