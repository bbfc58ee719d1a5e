/** What generated code imports: helpers behind their typed signatures, checks, the hand-over to the interpreter. */
import type { Helper } from '../../helpers/proto.js';
import type { RunState } from '../../helpers/run-state.js';
import type { BpfMemory } from '../../memory/memory.js';
import type { TailCallTarget } from '../engine.js';
import { MAX_TAIL_CALLS } from '../engine.js';
import { checkHelperArgs, type IsFunction } from '../helper-args.js';
import { Control, Signal } from './control.js';

export interface HostContext {
  readonly memory: BpfMemory;
  readonly run: RunState;
  /** Address of the control block. */
  readonly control: number;
  readonly checksArgs: boolean;
  readonly isFunction: IsFunction;
  /** Called when a helper may have moved the packet. */
  readonly packetMoved: () => void;
}

type HelperImportFn = (...args: number[]) => number;

const TAIL_CALL = 12;

/** The import of a helper: as little as its prototype allows around the call itself. */
export function helperImport(host: HostContext, helper: Helper): HelperImportFn {
  const isChecked = host.checksArgs && helper.args.some((arg) => arg.base !== 'anything');
  let call = plainCall(host.run, helper);
  if (helper.id === TAIL_CALL) call = withTailCall(host, call);
  if (helper.ret.abi === 'u64') call = withWideResult(host, call);
  if (helper.invalidatesPacket === true) call = withMovedPacket(host, call);
  return isChecked ? withCheckedArgs(host, helper, call) : call;
}

function plainCall(run: RunState, { fn, args }: Helper): HelperImportFn {
  const arity = args.reduce((sum, arg) => sum + (arg.abi === 'u64' ? 2 : 1), 0);
  switch (arity) {
    case 0:
      return () => fn(run);
    case 1:
      return (a) => fn(run, a);
    case 2:
      return (a, b) => fn(run, a, b);
    case 3:
      return (a, b, c) => fn(run, a, b, c);
    case 4:
      return (a, b, c, d) => fn(run, a, b, c, d);
    case 5:
      return (a, b, c, d, e) => fn(run, a, b, c, d, e);
    case 6:
      return (a, b, c, d, e, f) => fn(run, a, b, c, d, e, f);
    default:
      return (...list) => fn(run, ...list);
  }
}

function withWideResult({ memory, run, control }: HostContext, call: HelperImportFn): HelperImportFn {
  const retHi = (control + Control.retHi) >> 2;
  return (...args) => {
    const low = call(...args);
    memory.i32[retHi] = run.retHi;
    return low;
  };
}

function withMovedPacket({ memory, packetMoved }: HostContext, call: HelperImportFn): HelperImportFn {
  return (...args) => {
    const { epoch } = memory;
    const result = call(...args);
    if (memory.epoch !== epoch) packetMoved();
    return result;
  };
}

/** On success the target program has run when this returns: its r0 is the result. */
function withTailCall({ memory, run, control }: HostContext, call: HelperImportFn): HelperImportFn {
  const signal = (control + Control.signal) >> 2;
  const result = (control + Control.result) >> 2;
  return (...args) => {
    memory.i32[signal] = Signal.None;
    const failed = call(...args);
    const target = (run.tailCall as TailCallTarget | null)?.compiled;
    run.tailCall = null;
    if (target === undefined || run.tailCalls >= MAX_TAIL_CALLS) return failed;
    run.tailCalls++;
    const { callback } = run;
    const low = target.enter(run.ctx);
    run.callback = callback;
    memory.i32[result] = low;
    memory.i32[result + 1] = target.resultHi;
    memory.i32[signal] = Signal.TailCalled;
    return 0;
  };
}

/** High words of pointers and sizes were found to be 0 by the caller. */
function withCheckedArgs(host: HostContext, helper: Helper, call: HelperImportFn): HelperImportFn {
  const { memory, run, isFunction, control } = host;
  const signal = (control + Control.signal) >> 2;
  const wide = helper.args.map((arg) => arg.abi === 'u64');
  const words = new Int32Array(12);
  return (...args) => {
    for (let i = 0, from = 0; i < wide.length; i++) {
      words[2 * i] = args[from++];
      words[2 * i + 1] = wide[i] ? args[from++] : 0;
    }
    if (checkHelperArgs(helper, words, 0, memory, run, isFunction) !== null) {
      memory.i32[signal] = Signal.BadArgument;
      return 0;
    }
    memory.i32[signal] = Signal.None;
    return call(...args);
  };
}

/** r0 = packet bytes in network order; sets the signal word where they are not there. */
export function loadPacketImport({ memory, run, control }: HostContext): HelperImportFn {
  const signal = (control + Control.signal) >> 2;
  const scratch = control + Control.retHi;
  return (offset, size) => {
    const isThere = run.skb !== null && run.skb.loadBytes(offset, scratch, size) === 0;
    memory.i32[signal] = isThere ? 0 : 1;
    return isThere ? memory.view.getUint32(scratch) >>> (32 - 8 * size) : 0;
  };
}
