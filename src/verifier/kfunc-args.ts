/** The arguments of a kfunc against its C declaration. */
import { Errno } from '../errors.js';
import type { Kfunc, KfuncParam } from '../helpers/kfunc-proto.js';
import { makeDynptr, useDynptr } from './dynptr.js';
import type { Env } from './env.js';
import { assertArgOffset } from './helper-args.js';
import { assertHelperMemory, assertReadWrite, assertSizedMemory } from './helper-mem.js';
import { isTrusted } from './jumps.js';
import { markPrecise } from './precision.js';
import { assertInit } from './registers.js';
import type { Reg } from './reg-state.js';
import { RegFlag, RegType } from './reg-state.js';

export interface KfuncArgs {
  /** Register whose reference ends; 0: none. */
  release: number;
  refObjId: number;
  /** Value of the `__k` argument. */
  constant: bigint | undefined;
  /** Size of the buffer that r0 will point to. */
  bufferSize: number;
  dynptr: Reg | undefined;
  bufferOptional: boolean;
}

export const newKfuncArgs = (): KfuncArgs => ({
  release: 0,
  refObjId: 0,
  constant: undefined,
  bufferSize: 0,
  dynptr: undefined,
  bufferOptional: false,
});

export function checkKfuncArgs(env: Env, fn: Kfunc, args: KfuncArgs, from: number): void {
  for (let i = from; i < fn.params.length; i++) {
    const param = fn.params[i];
    if (param.name.endsWith('__ign')) continue;
    const regno = i + 1;
    if (env.reg(regno).type === RegType.NotInit) assertInit(env, regno);
    if (param.type.pointer) checkPointer(env, fn, i, args);
    else checkScalar(env, fn, i, args);
  }
  if (fn.flags.release === true && args.release === 0) {
    env.reject(Errno.EINVAL, `release kernel function ${fn.name} expects refcounted PTR_TO_BTF_ID`);
  }
}

function checkScalar(env: Env, fn: Kfunc, index: number, args: KfuncArgs): void {
  const param = fn.params[index];
  const regno = index + 1;
  const reg = env.reg(regno);
  if (!reg.isScalar) env.reject(Errno.EINVAL, `R${regno} is not a scalar`);
  const isConstSize = param.name.endsWith('__szk');
  if (param.name.endsWith('__k') || isConstSize) {
    if (!reg.bounds.isConst()) env.reject(Errno.EINVAL, `R${regno} must be a known constant`);
    markPrecise(env, regno);
    if (isConstSize) args.bufferSize = Number(reg.bounds.tnum.value);
    else args.constant = reg.bounds.tnum.value;
  }
  if (param.name === 'rdonly_buf_size' || param.name === 'rdwr_buf_size') {
    if (!reg.bounds.isConst()) env.reject(Errno.EINVAL, `R${regno} is not a const`);
    args.bufferSize = Number(reg.bounds.tnum.value);
    markPrecise(env, regno);
  }
}

const CTX_STRUCTS = new Set([
  '__sk_buff',
  'xdp_md',
  'bpf_sock_addr_kern',
  'bpf_nf_ctx',
  'bpf_user_pt_regs_t',
  'sk_msg_md',
  'bpf_sock_ops',
  'bpf_sock_ops_kern',
]);

const structOf = (param: KfuncParam): string => param.type.base.replace(/^(struct|union) /, '');
/** `___init` is no such suffix: it marks objects that are not in use yet. */
const isSameStruct = (actual: string, wanted: string): boolean =>
  actual === wanted || (!actual.endsWith('___init') && plainName(actual) === wanted);
/** Without the suffix by which programs tell their own version of a kernel type. */
const plainName = (name: string): string => name.replace(/___.*/, '');
const isSized = (fn: Kfunc, index: number): boolean => {
  const next = fn.params[index + 1];
  return (
    next !== undefined && !next.type.pointer && (next.name.endsWith('__sz') || next.name.endsWith('__szk'))
  );
};

function checkPointer(env: Env, fn: Kfunc, index: number, args: KfuncArgs): void {
  const param = fn.params[index];
  const regno = index + 1;
  const reg = env.reg(regno);
  const struct = structOf(param);
  const isOptional = param.name.endsWith('__opt') || param.name.endsWith('__nullable');
  if ((isTrustedArgs(fn) || isRcuArg(fn)) && (reg.isNullScalar || reg.mayBeNull) && !isOptional) {
    env.reject(Errno.EACCES, `Possibly NULL pointer passed to trusted arg${index}`);
  }
  if (reg.refObjId !== 0) {
    if (fn.flags.release === true && args.release !== 0)
      env.reject(Errno.EFAULT, 'more than one arg with ref_obj_id');
    args.refObjId = reg.refObjId;
    if (fn.flags.release === true) args.release = regno;
  }
  if (reg.isNullScalar && isOptional) {
    if (isSized(fn, index)) checkSized(env, index, args, true);
    return;
  }
  if (struct === 'bpf_dynptr') {
    checkDynptr(env, fn, index, args);
    return;
  }
  if (CTX_STRUCTS.has(struct) || fn.name === 'bpf_cast_to_kern_ctx') {
    // Where the context is a kernel structure, so is what stands for it.
    if (reg.type === RegType.BtfId && reg.has(RegFlag.Trusted) && reg.btfName === 'sk_buff') return;
    if (reg.type !== RegType.Ctx)
      env.reject(Errno.EINVAL, `arg#${index} expected pointer to ctx, but got ${reg.typeName()}`);
    assertArgOffset(env, regno, false, false);
    return;
  }
  if (isSized(fn, index)) {
    checkSized(env, index, args, isOptional);
    return;
  }
  checkObject(env, fn, index, struct, args);
}

const isTrustedArgs = (fn: Kfunc): boolean => fn.flags.trustedArgs === true || fn.flags.release === true;
const isRcuArg = (fn: Kfunc): boolean => fn.flags.rcu === true;

function checkDynptr(env: Env, fn: Kfunc, index: number, args: KfuncArgs): void {
  const param = fn.params[index];
  const regno = index + 1;
  if (param.name.endsWith('__uninit')) {
    const type =
      fn.name === 'bpf_dynptr_from_skb'
        ? 'skb'
        : fn.name === 'bpf_dynptr_from_xdp'
          ? 'xdp'
          : (args.dynptr?.dynptrType ?? 'local');
    makeDynptr(env, regno, type, fn.name === 'bpf_dynptr_clone' ? (args.dynptr?.refObjId ?? 0) : 0);
    return;
  }
  args.dynptr = useDynptr(env, regno, { type: 'any', isReadOnly: true });
}

function checkSized(env: Env, index: number, args: KfuncArgs, isOptional: boolean): void {
  const regno = index + 1;
  const sizeReg = env.reg(regno + 1);
  if (!sizeReg.isScalar) env.reject(Errno.EINVAL, `R${regno + 1} is not a scalar`);
  if (isOptional && env.reg(regno).isNullScalar) {
    args.bufferOptional = true;
    return;
  }
  const raw = undefined;
  try {
    assertReadWrite(env, regno, () => {
      assertSizedMemory(env, regno + 1, { access: 'read', zeroAllowed: true, raw });
      assertSizedMemory(env, regno + 1, { access: 'write', zeroAllowed: true, raw });
    });
  } catch (error) {
    env.log.line(`arg#${index} arg#${index + 1} memory, len pair leads to invalid memory access`);
    throw error;
  }
}

/** A pointer to a kernel object, to plain memory of fixed size, or to a callback. */
function checkObject(env: Env, fn: Kfunc, index: number, struct: string, args: KfuncArgs): void {
  const regno = index + 1;
  const reg = env.reg(regno);
  const param = fn.params[index];
  if (fn.name.includes('set_callback') && struct === 'void') {
    if (reg.type !== RegType.Func) env.reject(Errno.EINVAL, `arg${index} expected pointer to func`);
    return;
  }
  if (param.name.endsWith('__alloc')) {
    if (reg.type !== RegType.BtfId || !reg.has(RegFlag.Alloc)) {
      env.reject(Errno.EINVAL, `arg#${index} expected pointer to allocated object`);
    }
    assertArgOffset(env, regno, fn.flags.release === true, false);
    if (reg.refObjId === 0) env.reject(Errno.EINVAL, 'allocated object must be referenced');
    return;
  }
  if (reg.type === RegType.BtfId) {
    if (fn.flags.release === true && reg.refObjId === 0) {
      env.reject(Errno.EINVAL, `release kernel function ${fn.name} expects refcounted PTR_TO_BTF_ID`);
    }
    if ((isTrustedArgs(fn) || isRcuArg(fn)) && !isTrusted(reg) && !(isRcuArg(fn) && reg.has(RegFlag.Rcu))) {
      env.reject(
        Errno.EINVAL,
        `R${regno} must be ${isRcuArg(fn) ? 'a rcu pointer' : 'referenced or trusted'}`,
      );
    }
    assertArgOffset(env, regno, fn.flags.release === true, false);
    if (!isSameStruct(reg.btfName, struct) && !(struct === 'cpumask' && reg.btfName === 'bpf_cpumask')) {
      env.reject(
        Errno.EINVAL,
        `kernel function ${fn.name} args#${index} expected pointer to STRUCT ${struct} but R${regno} has a pointer to STRUCT ${reg.btfName}`,
      );
    }
    return;
  }
  const size = SCALAR_SIZES[struct];
  if (size === undefined) {
    env.reject(
      Errno.EINVAL,
      `arg#${index} pointer type STRUCT ${struct} must point to scalar, or struct with scalar`,
    );
  }
  assertReadWrite(env, regno, () => {
    assertHelperMemory(env, { regno, size, access: 'read', zeroAllowed: true });
    assertHelperMemory(env, { regno, size, access: 'write', zeroAllowed: true });
  });
  void args;
}

const SCALAR_SIZES: Readonly<Record<string, number>> = { u8: 1, s8: 1, u16: 2, s16: 2, u32: 4, s32: 4, int: 4, u64: 8, s64: 8, long: 8 }; // prettier-ignore
