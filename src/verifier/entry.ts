/** The state in which a program or a global function is entered. */
import { Errno } from '../errors.js';
import { dynptrReg } from './dynptr.js';
import type { Env } from './env.js';
import type { SubprogArg } from './input.js';
import { Reg, RegFlag, RegType, UNKNOWN_SCALAR } from './reg-state.js';
import { FuncState, VerifierState } from './state.js';

export function entryState(env: Env, subprog: number): VerifierState {
  const state = new VerifierState();
  const frame = new FuncState(0, subprog, -1);
  frame.regs[10] = Reg.pointer(RegType.Stack);
  state.frames.push(frame);
  state.firstPc = env.subprogs[subprog].start;
  state.lastPc = -1;
  state.isSleepable = env.input.flags.sleepable === true;
  if (subprog === 0) frame.regs[1] = Reg.pointer(RegType.Ctx);
  else globalArgs(env, subprog, frame);
  return state;
}

function globalArgs(env: Env, subprog: number, frame: FuncState): void {
  const { name, isExceptionCallback } = env.subprogs[subprog];
  env.log.detail(1, `Validating ${name}() func#${subprog}...`);
  const declared = env.input.subprogs?.[subprog];
  if (declared?.returnsScalar === false) {
    env.reject(Errno.EINVAL, `Global function ${name}() doesn't return scalar. Only those are supported.`);
  }
  const args = declared?.args ?? [];
  if (isExceptionCallback && (args.length !== 1 || args[0].kind !== 'scalar')) {
    env.reject(Errno.EINVAL, 'exception cb only supports single integer argument');
  }
  for (const [i, arg] of args.entries()) frame.regs[i + 1] = argument(env, arg);
}

function argument(env: Env, arg: SubprogArg): Reg {
  switch (arg.kind) {
    case 'scalar':
    case 'arena':
      return UNKNOWN_SCALAR;
    case 'ctx':
      return Reg.pointer(RegType.Ctx);
    case 'dynptr':
      return dynptrReg('local', env.nextId(), 0, true);
    case 'mem': {
      const memory = Reg.pointer(RegType.Mem, arg.nullable ? RegFlag.OrNull : RegFlag.None);
      memory.memSize = arg.size;
      memory.id = env.nextId();
      return memory;
    }
    case 'btf': {
      const object = Reg.pointer(
        RegType.BtfId,
        (arg.nullable ? RegFlag.OrNull : 0) | (arg.trusted ? RegFlag.Trusted : 0),
      );
      object.btfName = arg.struct;
      object.id = env.nextId();
      return object;
    }
    case 'unsupported':
      return env.reject(Errno.EINVAL, arg.message);
  }
}
