/** Helpers: string conversion and comparison. */
import { BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const STRING_HELPERS: readonly Helper[] = [
  absent(105, 'bpf_strtol', RET.int, [ARG.memRead, ARG.size, ARG.u64, ARG.u64Out], BASE),
  absent(106, 'bpf_strtoul', RET.int, [ARG.memRead, ARG.size, ARG.u64, ARG.u64Out], BASE),
  absent(182, 'bpf_strncmp', RET.int, [ARG.memRead, ARG.size, ARG.constStr], BASE),
];
