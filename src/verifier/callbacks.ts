/** Helpers and kfuncs that call back into the program: the callback is entered as often as its state changes. */
import { Errno } from '../errors.js';
import { MapType } from '../maps/map-types.js';
import { isAsync } from './callback-names.js';
import { dynptrReg } from './dynptr.js';
import type { Env } from './env.js';
import { enterFrame } from './frames.js';
import type { CallArgs } from './helper-args.js';
import { pushPath, pushState } from './paths.js';
import { markPrecise } from './precision.js';
import { Reg, RegType, UNKNOWN_SCALAR } from './reg-state.js';
import { FuncState, VerifierState } from './state.js';

/** Arguments r1, r2, ... of the callback, from the registers of the caller. */
type CallbackArgs = (env: Env, caller: FuncState, args: CallArgs) => Reg[];

function keyAndValue(map: Reg): [Reg, Reg] {
  const key = Reg.pointer(RegType.MapKey);
  const value = Reg.pointer(RegType.MapValue);
  for (const reg of [key, value]) {
    reg.map = map.map;
    reg.mapUid = map.mapUid;
  }
  return [key, value];
}

function timerArgs(_env: Env, caller: FuncState): Reg[] {
  const map = Reg.pointer(RegType.MapPtr);
  map.map = caller.regs[1].map;
  map.mapUid = caller.regs[1].mapUid;
  return [map, ...keyAndValue(map)];
}

const CALLBACKS: Readonly<Record<string, CallbackArgs>> = {
  bpf_for_each_map_elem: (_env, caller) => [caller.regs[1], ...keyAndValue(caller.regs[1]), caller.regs[3]],
  bpf_loop: (_env, caller) => [UNKNOWN_SCALAR, caller.regs[3]],
  bpf_find_vma: (_env, caller) => {
    const vma = Reg.pointer(RegType.BtfId);
    vma.btfName = 'vm_area_struct';
    return [caller.regs[1], vma, caller.regs[4]];
  },
  bpf_user_ringbuf_drain: (env, caller) => [dynptrReg('local', env.nextId(), 0, true), caller.regs[3]],
  bpf_timer_set_callback: timerArgs,
  bpf_wq_set_callback_impl: timerArgs,
};

const ITERABLE = new Set<MapType>([
  MapType.Hash,
  MapType.PercpuHash,
  MapType.LruHash,
  MapType.LruPercpuHash,
  MapType.Array,
  MapType.PercpuArray,
]);

/** The call of a helper that calls back; the frame continues after the call as if it were done. */
export function callback(env: Env, name: string, args: CallArgs): void {
  const makeArgs = CALLBACKS[name];
  if (makeArgs === undefined) return;
  if (name === 'bpf_for_each_map_elem' && args.map !== null && !ITERABLE.has(args.map.type)) {
    env.reject(Errno.ENOTSUPP, 'callback function not allowed for map');
  }
  if (isAsync(name)) {
    pushAsync(env, args, makeArgs);
    return;
  }
  const { frame } = env;
  if (name === 'bpf_loop') {
    markPrecise(env, 1);
    if (BigInt(frame.callbackDepth) >= env.reg(1).bounds.umax) {
      frame.callbackDepth = 0;
      env.log.detail(2, `frame${env.state.depth} bpf_loop iteration limit reached`);
      return;
    }
  }
  pushCallback(env, args.subprog, makeArgs(env, frame, args));
}

/** Queues an entry into a synchronous callback. */
export function pushCallback(env: Env, subprog: number, regs: readonly Reg[]): void {
  const queued = pushPath(env, env.subprogs[subprog].start, env.pc);
  const callee = enterFrame(env, queued, subprog, env.pc);
  for (const [i, reg] of regs.entries()) callee.regs[i + 1] = reg;
  callee.kind = 'sync_callback';
  callee.callbackRange = { min: 0, max: 1 };
  callee.inheritedRefs = queued.refs.length;
  queued.callbackUnrollDepth++;
  queued.frames[queued.depth - 1].callbackDepth++;
  env.frame.callbackDepth = 0;
}

/** Queues a callback that runs later, on its own stack, with nothing held. */
function pushAsync(env: Env, args: CallArgs, makeArgs: CallbackArgs): void {
  const { subprog } = args;
  env.subprogs[subprog].isAsyncCallback = true;
  const state = new VerifierState();
  const frame = new FuncState(0, subprog, -1);
  frame.kind = 'async_callback';
  const regs = makeArgs(env, env.frame, args);
  for (const [i, reg] of regs.entries()) frame.regs[i + 1] = reg;
  frame.regs[10] = Reg.pointer(RegType.Stack);
  state.frames = [frame];
  state.branches = 1;
  state.firstPc = env.subprogs[subprog].start;
  state.lastPc = -1;
  state.asyncEntry = env.state.asyncEntry + 1;
  state.parent = null;
  pushState(env, state, env.subprogs[subprog].start, env.pc);
}
