/** Helpers: cgroup hooks. */
import { ProgType } from '../progs/prog-types.js';
import { CGROUP } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const CGROUP_HELPERS: readonly Helper[] = [
  absent(101, 'bpf_sysctl_get_name', RET.int, [ARG.ctx, ARG.mem, ARG.size, ARG.u64], [ProgType.CgroupSysctl]),
  absent(
    102,
    'bpf_sysctl_get_current_value',
    RET.int,
    [ARG.ctx, ARG.memUninit, ARG.size],
    [ProgType.CgroupSysctl],
  ),
  absent(
    103,
    'bpf_sysctl_get_new_value',
    RET.int,
    [ARG.ctx, ARG.memUninit, ARG.size],
    [ProgType.CgroupSysctl],
  ),
  absent(104, 'bpf_sysctl_set_new_value', RET.int, [ARG.ctx, ARG.memRead, ARG.size], [ProgType.CgroupSysctl]),
  absent(186, 'bpf_get_retval', RET.int, [], [...CGROUP, ProgType.Lsm]),
  absent(187, 'bpf_set_retval', RET.int, [ARG.u32], [...CGROUP, ProgType.Lsm]),
];
