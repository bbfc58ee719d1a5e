/** Helpers: locks, kptrs and per-CPU objects. */
import type { HelperFn } from './proto.js';
import { BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { ARG, btfRet, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

/** One thread runs programs, one at a time: a lock is always free. */
const spinLock: HelperFn = () => 0;
const spinUnlock: HelperFn = () => 0;

/** Puts a pointer into a map value or object and gives back the one that was there. */
const kptrXchg: HelperFn = (run, at, pointer) => {
  const { u32 } = run.vm.memory;
  const old = u32[at >>> 2];
  u32[at >>> 2] = pointer;
  u32[(at >>> 2) + 1] = 0;
  return old;
};

/** A per-CPU object holds one copy a CPU, side by side; kernel variables do not exist. */
function copyOf(run: RunState, object: number, cpu: number): number {
  const size = run.objects.sizeOf(object) / run.vm.cpus;
  return cpu >>> 0 < run.vm.cpus && size > 0 ? object + cpu * size : 0;
}

const perCpuPtr = (run: RunState, object: number, cpu: number): number => copyOf(run, object, cpu);
const thisCpuPtr = (run: RunState, object: number): number => copyOf(run, object, run.vm.currentCpu());

export const OBJECT_HELPERS: readonly Helper[] = [
  helper(93, 'bpf_spin_lock', RET.void, [ARG.spinLock], BASE, spinLock),
  helper(94, 'bpf_spin_unlock', RET.void, [ARG.spinLock], BASE, spinUnlock),
  helper(
    194,
    'bpf_kptr_xchg',
    btfRet(null, true),
    [ARG.make('kptr')(), ARG.make('btf_id')({ nullable: true, release: true })],
    BASE,
    kptrXchg,
    { acquires: true },
  ),
  helper(153, 'bpf_per_cpu_ptr', RET.percpuOrNull, [ARG.make('percpu_btf_id')(), ARG.u32], BASE, perCpuPtr),
  helper(154, 'bpf_this_cpu_ptr', RET.percpu, [ARG.make('percpu_btf_id')()], BASE, thisCpuPtr),
];
