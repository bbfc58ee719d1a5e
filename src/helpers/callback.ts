/** Helpers: loops and timers. */
import { Errno } from '../errors.js';
import { TRACING, BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

const MAX_LOOPS = 1 << 23;

/** `callback(index, ctx)` until it returns non-zero; the number of calls. */
function loop(
  run: RunState,
  count: number,
  callback: number,
  ctx: number,
  flags: number,
  flagsHi: number,
): number {
  if (flags !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  if (count >>> 0 > MAX_LOOPS) return -Errno.E2BIG;
  const call = run.callback;
  const args = [0, 0, ctx, 0];
  for (let i = 0; i < count; i++) {
    args[0] = i;
    if (call(callback, args) !== 0) return i + 1;
  }
  return count;
}

const CLOCKS = [0, 1, 7];

function timerInit(run: RunState, timer: number, map: number, flags: number, flagsHi: number): number {
  const owner = run.vm.mapByHandle(map);
  if (flagsHi !== 0 || !CLOCKS.includes(flags) || owner === undefined) return -Errno.EINVAL;
  return run.timers.init(timer, owner);
}

const timerSetCallback = (run: RunState, timer: number, callback: number): number =>
  run.timers.setCallback(timer, callback, run.callback);

const ABSOLUTE = 1;
const CPU_PIN = 2;

function timerStart(
  run: RunState,
  timer: number,
  delay: number,
  delayHi: number,
  flags: number,
  flagsHi: number,
): number {
  if ((flags & ~(ABSOLUTE | CPU_PIN)) !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  const ns = (BigInt(delayHi >>> 0) << 32n) | BigInt(delay >>> 0);
  const now = run.vm.ktimeNs();
  return run.timers.start(timer, (flags & ABSOLUTE) === 0 ? now + ns : ns, now);
}

const timerCancel = (run: RunState, timer: number): number => run.timers.cancel(timer);

export const CALLBACK_HELPERS: readonly Helper[] = [
  helper(181, 'bpf_loop', RET.int, [ARG.u32, ARG.func, ARG.stackOrNull, ARG.u64], BASE, loop, {
    callsBack: true,
  }),
  helper(169, 'bpf_timer_init', RET.int, [ARG.timer, ARG.map, ARG.u64], BASE, timerInit, { gplOnly: true }),
  helper(170, 'bpf_timer_set_callback', RET.int, [ARG.timer, ARG.func], BASE, timerSetCallback, {
    gplOnly: true,
    callsBack: true,
  }),
  helper(171, 'bpf_timer_start', RET.int, [ARG.timer, ARG.u64, ARG.u64], BASE, timerStart, { gplOnly: true }),
  helper(172, 'bpf_timer_cancel', RET.int, [ARG.timer], BASE, timerCancel, { gplOnly: true }),
  absent(
    180,
    'bpf_find_vma',
    RET.int,
    [ARG.make('btf_id')({ btf: ['task_struct'] }), ARG.u64, ARG.func, ARG.stackOrNull, ARG.u64],
    TRACING,
    { callsBack: true },
  ),
];
