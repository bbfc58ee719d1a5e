/** Helpers: locks, kptrs and per-CPU objects. */
import { BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, btfRet, RET } from './proto.js';

export const OBJECT_HELPERS: readonly Helper[] = [
  absent(93, 'bpf_spin_lock', RET.void, [ARG.spinLock], BASE),
  absent(94, 'bpf_spin_unlock', RET.void, [ARG.spinLock], BASE),
  absent(
    194,
    'bpf_kptr_xchg',
    btfRet(null, true),
    [ARG.make('kptr')(), ARG.make('btf_id')({ nullable: true, release: true })],
    BASE,
    { acquires: true },
  ),
  absent(153, 'bpf_per_cpu_ptr', RET.percpuOrNull, [ARG.make('percpu_btf_id')(), ARG.u32], BASE),
  absent(154, 'bpf_this_cpu_ptr', RET.percpu, [ARG.make('percpu_btf_id')()], BASE),
];
