/** Helpers: reads of memory by address. */
import { TRACING, BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const PROBE_HELPERS: readonly Helper[] = [
  absent(4, 'bpf_probe_read', RET.int, [ARG.memUninit, ARG.sizeOrZero, ARG.u64], TRACING, { gplOnly: true }),
  absent(45, 'bpf_probe_read_str', RET.int, [ARG.memUninit, ARG.sizeOrZero, ARG.u64], TRACING, {
    gplOnly: true,
  }),
  absent(112, 'bpf_probe_read_user', RET.int, [ARG.memUninit, ARG.sizeOrZero, ARG.u64], BASE, {
    gplOnly: true,
  }),
  absent(113, 'bpf_probe_read_kernel', RET.int, [ARG.memUninit, ARG.sizeOrZero, ARG.u64], BASE, {
    gplOnly: true,
  }),
  absent(114, 'bpf_probe_read_user_str', RET.int, [ARG.memUninit, ARG.sizeOrZero, ARG.u64], BASE, {
    gplOnly: true,
  }),
  absent(115, 'bpf_probe_read_kernel_str', RET.int, [ARG.memUninit, ARG.sizeOrZero, ARG.u64], BASE, {
    gplOnly: true,
  }),
  absent(36, 'bpf_probe_write_user', RET.int, [ARG.u64, ARG.memRead, ARG.size], TRACING, { gplOnly: true }),
  absent(148, 'bpf_copy_from_user', RET.int, [ARG.memUninit, ARG.sizeOrZero, ARG.u64], TRACING, {
    maySleep: true,
  }),
  absent(
    191,
    'bpf_copy_from_user_task',
    RET.int,
    [ARG.memUninit, ARG.sizeOrZero, ARG.u64, ARG.make('btf_id')({ btf: ['task_struct'] }), ARG.u64],
    TRACING,
    { gplOnly: true, maySleep: true },
  ),
];
