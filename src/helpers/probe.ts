/** Helpers: reads of memory by address. The VM's own memory is all that there is to read. */
import { Errno } from '../errors.js';
import { TRACING, BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

/** Whether `size` bytes at a 64-bit address are memory of the VM. */
function readable(run: RunState, low: number, high: number, size: number): boolean {
  return high === 0 && low > 0 && (size === 0 || run.vm.memory.check(low, size, false));
}

/** 0, or -EFAULT after zeroing what would have been read. */
function probeRead(run: RunState, to: number, size: number, low: number, high: number): number {
  const { u8 } = run.vm.memory;
  if (readable(run, low, high, size)) {
    u8.copyWithin(to, low, low + size);
    return 0;
  }
  u8.fill(0, to, to + size);
  return -Errno.EFAULT;
}

/** Bytes copied with the NUL that ends them always, or -EFAULT. */
function probeReadStr(run: RunState, to: number, size: number, low: number, high: number): number {
  const { memory } = run.vm;
  if (size === 0) return 0;
  const region = high === 0 && low > 0 ? memory.find(low) : undefined;
  if (region === undefined) {
    memory.u8.fill(0, to, to + size);
    return -Errno.EFAULT;
  }
  const end = Math.min(region.base + region.size - low, size - 1);
  let length = 0;
  while (length < end && memory.u8[low + length] !== 0) length++;
  memory.u8.copyWithin(to, low, low + length);
  memory.u8[to + length] = 0;
  return length + 1;
}

const probeReadUser = probeRead;
const probeReadKernel = probeRead;
const copyFromUser = probeRead;
const probeReadUserStr = probeReadStr;
const probeReadKernelStr = probeReadStr;

export const PROBE_HELPERS: readonly Helper[] = [
  helper(4, 'bpf_probe_read', RET.int, [ARG.memUninit, ARG.sizeOrZero, ARG.u64], TRACING, probeRead, {
    gplOnly: true,
  }),
  helper(45, 'bpf_probe_read_str', RET.int, [ARG.memUninit, ARG.sizeOrZero, ARG.u64], TRACING, probeReadStr, {
    gplOnly: true,
  }),
  helper(112, 'bpf_probe_read_user', RET.int, [ARG.memUninit, ARG.sizeOrZero, ARG.u64], BASE, probeReadUser, {
    gplOnly: true,
  }),
  helper(
    113,
    'bpf_probe_read_kernel',
    RET.int,
    [ARG.memUninit, ARG.sizeOrZero, ARG.u64],
    BASE,
    probeReadKernel,
    { gplOnly: true },
  ),
  helper(
    114,
    'bpf_probe_read_user_str',
    RET.int,
    [ARG.memUninit, ARG.sizeOrZero, ARG.u64],
    BASE,
    probeReadUserStr,
    { gplOnly: true },
  ),
  helper(
    115,
    'bpf_probe_read_kernel_str',
    RET.int,
    [ARG.memUninit, ARG.sizeOrZero, ARG.u64],
    BASE,
    probeReadKernelStr,
    { gplOnly: true },
  ),
  absent(36, 'bpf_probe_write_user', RET.int, [ARG.u64, ARG.memRead, ARG.size], TRACING, { gplOnly: true }),
  helper(
    148,
    'bpf_copy_from_user',
    RET.int,
    [ARG.memUninit, ARG.sizeOrZero, ARG.u64],
    TRACING,
    copyFromUser,
    { maySleep: true },
  ),
  absent(
    191,
    'bpf_copy_from_user_task',
    RET.int,
    [ARG.memUninit, ARG.sizeOrZero, ARG.u64, ARG.make('btf_id')({ btf: ['task_struct'] }), ARG.u64],
    TRACING,
    { gplOnly: true, maySleep: true },
  ),
];
