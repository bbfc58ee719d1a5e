/** Kernel functions (kfuncs) as records. Their prototypes are C declarations, read once when the table is made. */
import type { ProgType } from '../progs/prog-types.js';
import type { ArgSpec, Helper, HelperFn, RetSpec } from './proto.js';
import { absent } from './proto.js';

/** The kernel's KF_* flags. */
export interface KfuncFlags {
  readonly acquire?: boolean;
  readonly release?: boolean;
  readonly retNull?: boolean;
  readonly trustedArgs?: boolean;
  readonly rcu?: boolean;
  readonly rcuProtected?: boolean;
  readonly sleepable?: boolean;
  readonly destructive?: boolean;
  /** Calls a function of the program, given as an argument or, for bpf_throw, by a declaration. */
  readonly callsBack?: boolean;
  readonly iterNew?: boolean;
  readonly iterNext?: boolean;
  readonly iterDestroy?: boolean;
}

/** A type of C as far as the checks need it. */
export interface KfuncType {
  /** `void`, `int`, `u64`, `bool`, `struct bpf_dynptr`, ... */
  readonly base: string;
  readonly pointer: boolean;
  /** Bytes of the value itself; 0 for void. */
  readonly size: number;
  readonly signed: boolean;
}

export interface KfuncParam {
  /** As in the kernel: the suffix says what is checked (`__sz`, `__szk`, `__uninit`, `__ign`, `__k`, `__opt`, ...). */
  readonly name: string;
  readonly type: KfuncType;
}

export interface Kfunc extends Helper {
  /** The C declaration. */
  readonly proto: string;
  readonly params: readonly KfuncParam[];
  readonly result: KfuncType;
  readonly flags: KfuncFlags;
}

const SCALARS: Readonly<Record<string, readonly [size: number, signed: boolean]>> = {
  void: [0, false],
  bool: [1, false],
  u8: [1, false],
  s8: [1, true],
  s16: [2, true],
  u16: [2, false],
  u32: [4, false],
  s32: [4, true],
  int: [4, true],
  long: [8, true],
  u64: [8, false],
  s64: [8, true],
};

const DECLARATOR = /^(?:const )?((?:struct |union |enum )?[A-Za-z_]\w*)\s*(\*{0,2})\s*(\w*)$/;

function parseDeclarator(text: string): { type: KfuncType; name: string } {
  const [, base, stars, name] = DECLARATOR.exec(text.trim())!;
  const pointer = stars !== '';
  const [size, signed] = pointer ? [8, false] : (SCALARS[base] ?? [4, false]);
  return { type: { base: base + stars.slice(1), pointer, size, signed }, name };
}

const passes = ({ type }: KfuncParam): ArgSpec => ({
  base: 'anything',
  abi: type.size === 8 && !type.pointer ? 'u64' : 'u32',
});

function returns(type: KfuncType): RetSpec {
  if (type.pointer) return { base: 'btf_id', abi: 'ptr' };
  if (type.size === 0) return { base: 'void', abi: 'void' };
  return { base: 'integer', abi: type.size === 8 ? 'u64' : type.signed ? 's32' : 'u32' };
}

/**
 * A record from its declaration, e.g. `int *bpf_iter_num_next(struct bpf_iter_num *it)`. `id` is what `imm` of the
 * call holds after relocation. Without `fn` the function gives -EOPNOTSUPP or NULL.
 */
export function kfunc(
  id: number,
  proto: string,
  progTypes: readonly ProgType[] | 'all',
  flags: KfuncFlags = {},
  fn?: HelperFn,
): Kfunc {
  const [, head, list] = /^(.*?)\((.*)\)$/.exec(proto)!;
  const { type: result, name } = parseDeclarator(head);
  const params = list === 'void' ? [] : list.split(',').map(parseDeclarator);
  const record = absent(id, name, returns(result), params.map(passes), progTypes, {
    ...(flags.acquire === undefined ? {} : { acquires: flags.acquire }),
    ...(flags.callsBack === undefined ? {} : { callsBack: flags.callsBack }),
    ...(flags.sleepable === undefined ? {} : { maySleep: flags.sleepable }),
  });
  return { ...record, ...(fn === undefined ? {} : { fn, state: 'full' }), proto, params, result, flags };
}
