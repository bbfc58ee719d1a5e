/** What a call does to the control flow, found before the program is explored. */
import { helperById } from '../helpers/registry.js';
import { ROWS } from '../isa/ops.js';
import { isAsync, isSync } from './callback-names.js';
import type { CallTraits } from './cfg.js';
import type { VerifierInput } from './input.js';

/** Traits of the helper or kfunc call at a slot. */
export function traitsOf(input: VerifierInput, pc: number): CallTraits {
  const { kind } = ROWS[input.insns.op[pc]];
  const helper = kind === 'call' ? helperById(input.insns.imm[pc], input.progType) : undefined;
  const name = helper?.name ?? (kind === 'call_kfunc' ? (input.kfuncName?.(pc) ?? '') : '');
  const count = helper === undefined ? 5 : helper.args.filter((arg) => arg.base !== 'unchecked').length;
  return {
    argCount: helper?.args.some((arg) => arg.base === 'unchecked') === true ? 5 : count,
    ...(isSync(name) ? { callback: 'sync' as const } : isAsync(name) ? { callback: 'async' as const } : {}),
    ...(/^bpf_iter_\w+_next$/.test(name) ? { isIterNext: true } : {}),
    ...(name === 'bpf_throw' ? { isNoReturn: true } : {}),
  };
}

/** Helper number of bpf_tail_call. */
export const TAIL_CALL = 12;

/** Whether the call may move the packet's data. */
export function movesPacket(input: VerifierInput, pc: number): boolean {
  const { kind } = ROWS[input.insns.op[pc]];
  if (kind !== 'call') return false;
  // Another program may run in this one's place.
  return (
    input.insns.imm[pc] === TAIL_CALL ||
    helperById(input.insns.imm[pc], input.progType)?.invalidatesPacket === true
  );
}

export function maySleep(input: VerifierInput, pc: number): boolean {
  const { kind } = ROWS[input.insns.op[pc]];
  return kind === 'call' && helperById(input.insns.imm[pc], input.progType)?.maySleep === true;
}
