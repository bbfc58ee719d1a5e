/** What a kfunc leaves in r0. */
import { Errno } from '../errors.js';
import type { Kfunc } from '../helpers/kfunc-proto.js';
import type { Env } from './env.js';
import type { KfuncArgs } from './kfunc-args.js';
import { parseIter } from './iterator.js';
import { NOT_INIT, Reg, RegFlag, RegType, UNKNOWN_SCALAR } from './reg-state.js';
import { acquireRef } from './refs.js';

export function kfuncResult(env: Env, fn: Kfunc, args: KfuncArgs): Reg {
  const { result, flags } = fn;
  if (!result.pointer) return result.size === 0 ? NOT_INIT : UNKNOWN_SCALAR;
  const orNull = flags.retNull === true ? RegFlag.OrNull : 0;
  const reg = pointerResult(env, fn, args, orNull);
  if (orNull !== 0) reg.id = env.nextId();
  if (flags.acquire === true) {
    const id = acquireRef(env);
    if (orNull !== 0) reg.id = id;
    reg.refObjId = id;
  }
  return reg;
}

const SIZES: Readonly<Record<string, number>> = { int: 4, u32: 4, u64: 8, s64: 8, long: 8, u8: 1, u16: 2 };

function pointerResult(env: Env, fn: Kfunc, args: KfuncArgs, orNull: number): Reg {
  const struct = fn.result.base.replace(/^(struct|union) /, '');
  if (fn.name === 'bpf_cast_to_kern_ctx') {
    const ctx = Reg.pointer(RegType.BtfId, RegFlag.Trusted);
    ctx.btfName = 'sk_buff';
    return ctx;
  }
  if (fn.name === 'bpf_dynptr_slice' || fn.name === 'bpf_dynptr_slice_rdwr')
    return sliceResult(env, fn, args, orNull);
  if (fn.name === 'bpf_obj_new_impl' || fn.name === 'bpf_percpu_obj_new_impl') {
    const object = Reg.pointer(
      RegType.BtfId,
      RegFlag.Alloc | orNull | (fn.name.includes('percpu') ? RegFlag.Percpu : 0),
    );
    const type = env.input.localType?.(Number(args.constant ?? 0n));
    if (type === undefined)
      env.reject(Errno.EINVAL, `bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct`);
    object.btfLocal = true;
    object.btfId = Number(args.constant ?? 0n);
    object.btfName = type.name;
    object.memSize = type.size;
    object.fields = type.fields;
    return object;
  }
  if (fn.name === 'bpf_rdonly_cast') return castResult(env, args);
  const scalar = SIZES[struct];
  if (scalar !== undefined) {
    const memory = Reg.pointer(
      RegType.Mem,
      orNull | (fn.name.includes('rdonly') || parseIter(fn.name) !== undefined ? RegFlag.RdOnly : 0),
    );
    memory.memSize = args.bufferSize > 0 ? args.bufferSize : scalar;
    return memory;
  }
  const iter = parseIter(fn.name);
  const trust = fn.flags.acquire === true || iter === undefined ? RegFlag.Trusted : RegFlag.Rcu;
  const object = Reg.pointer(RegType.BtfId, orNull | trust);
  object.btfName = struct;
  return object;
}

/** The cast names a type of the kernel, where its types are known. */
function castResult(env: Env, args: KfuncArgs): Reg {
  const type = Number(args.constant ?? 0n);
  if (type === 0) {
    const memory = Reg.pointer(RegType.Mem, RegFlag.RdOnly | RegFlag.Untrusted);
    memory.memSize = 0;
    return memory;
  }
  const struct = env.input.kernelStruct?.(type);
  if (struct === undefined) {
    env.reject(Errno.EINVAL, 'kfunc bpf_rdonly_cast type ID argument must be of a struct or void');
  }
  const object = Reg.pointer(RegType.BtfId, RegFlag.Untrusted);
  object.btfName = struct;
  return object;
}

function sliceResult(env: Env, fn: Kfunc, args: KfuncArgs, orNull: number): Reg {
  const isRdwr = fn.name.endsWith('_rdwr');
  const isPacket = args.dynptr?.dynptrType === 'skb' || args.dynptr?.dynptrType === 'xdp';
  const flags = orNull | (isRdwr ? 0 : RegFlag.RdOnly) | (isPacket ? RegFlag.PacketSlice : 0);
  const memory = Reg.pointer(RegType.Mem, flags);
  memory.memSize = args.bufferSize;
  memory.dynptrId = args.dynptr?.id ?? 0;
  memory.refObjId = args.dynptr?.refObjId ?? 0;
  if (isRdwr && env.input.progType === 8)
    env.reject(Errno.EINVAL, 'the prog does not allow writes to packet data');
  return memory;
}
