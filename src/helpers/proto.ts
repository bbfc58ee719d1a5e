/** Helper prototypes as plain records: what the verifier checks, what the engines pass, what the docs list. */
import { Errno } from '../errors.js';
import type { ProgType } from '../progs/prog-types.js';
import type { RunState } from './run-state.js';

/** What an argument must be (the kernel's `enum bpf_arg_type`, base part). */
export type ArgBase =
  | 'anything'
  /** Passed as it is and not checked: the variable part of bpf_trace_printk. */
  | 'unchecked'
  | 'const_map_ptr'
  | 'map_key'
  | 'map_value'
  | 'ctx'
  | 'mem'
  | 'const_size'
  | 'const_size_or_zero'
  | 'const_alloc_size_or_zero'
  | 'sock_common'
  | 'btf_id_sock_common'
  | 'socket'
  | 'spin_lock'
  | 'timer'
  | 'func'
  | 'stack'
  | 'const_str'
  | 'kptr'
  | 'dynptr'
  | 'ringbuf_mem'
  | 'btf_id'
  | 'percpu_btf_id';

/**
 * How the engines pass it. `u32`: one JS number, the low word as a signed 32-bit integer (pointers, sizes, ints);
 * addresses are below 2 GiB and so never negative. `u64`: two numbers, low and high word.
 */
export type ArgAbi = 'u32' | 'u64';

export interface ArgSpec {
  readonly base: ArgBase;
  readonly abi: ArgAbi;
  readonly nullable?: boolean;
  /** The helper only reads what it points to. */
  readonly rdonly?: boolean;
  /** The helper fills it: it may be uninitialised stack. */
  readonly uninit?: boolean;
  /** The helper writes it (may be initialised or not): MEM_WRITE. */
  readonly write?: boolean;
  /** The reference ends with this call. */
  readonly release?: boolean;
  /** Bytes, for `mem` of fixed size. */
  readonly size?: number;
  /** Must be aligned to its size (fixed-size mem). */
  readonly aligned?: boolean;
  /** BTF struct names for btf_id arguments. */
  readonly btf?: readonly string[];
  readonly dynptr?: 'any' | 'local' | 'ringbuf' | 'skb' | 'xdp';
}

export type RetBase =
  | 'integer'
  | 'void'
  | 'map_value'
  | 'socket'
  | 'sock_common'
  | 'tcp_sock'
  | 'mem'
  | 'dynptr_mem'
  | 'mem_or_btf_id'
  | 'btf_id';

export interface RetSpec {
  readonly base: RetBase;
  /**
   * How r0 is formed from the number that the function returns: `s32` sign-extended (int and errnos), `u32` and `ptr`
   * zero-extended, `u64` low word from the function and high word from `run.retHi`, `void` r0 = 0.
   */
  readonly abi: 's32' | 'u32' | 'ptr' | 'u64' | 'void';
  readonly nullable?: boolean;
  readonly btf?: string;
  readonly rdonly?: boolean;
  /** The memory is a record reserved in a ring buffer. */
  readonly ringbuf?: boolean;
}

/** Arguments arrive flattened by their `abi`; pointers were checked. Returns the low word. */
export type HelperFn = (run: RunState, ...args: number[]) => number;

export interface Helper {
  /** UAPI number, `BPF_FUNC_*`. */
  readonly id: number;
  /** C spelling, `bpf_map_lookup_elem`. */
  readonly name: string;
  readonly ret: RetSpec;
  readonly args: readonly ArgSpec[];
  /** Program types that may call it with this prototype. */
  readonly progTypes: readonly ProgType[] | 'all';
  readonly gplOnly?: boolean;
  /** May move the packet: pointers into it are void afterwards. */
  readonly invalidatesPacket?: boolean;
  /** r0 is a reference that must be released. */
  readonly acquires?: boolean;
  readonly maySleep?: boolean;
  /** Pointers into the packet may be passed for its memory arguments. */
  readonly pktAccess?: boolean;
  /** Clobbers r0 only where the compiler asked for it (`bpf_fastcall`). */
  readonly fastcall?: boolean;
  /** Calls back into the program (bpf_loop and its kin). */
  readonly callsBack?: boolean;
  /** `full`, or `errno` where it has no meaning in userspace and always returns the errno of an unsupported one. */
  readonly state: 'full' | 'errno';
  readonly fn: HelperFn;
}

/** What a record may say beyond its prototype. */
export type HelperEffects = Partial<
  Pick<
    Helper,
    'gplOnly' | 'pktAccess' | 'fastcall' | 'maySleep' | 'invalidatesPacket' | 'acquires' | 'callsBack'
  >
>;

/** A record of the helper table. */
export function helper(
  id: number,
  name: string,
  ret: RetSpec,
  args: readonly ArgSpec[],
  progTypes: readonly ProgType[] | 'all',
  fn: HelperFn,
  effects: HelperEffects = {},
): Helper {
  return { id, name, ret, args, progTypes, ...effects, state: 'full', fn };
}

/** A helper that has no meaning in userspace: its prototype is checked, its call gives EOPNOTSUPP or NULL. */
export function absent(
  id: number,
  name: string,
  ret: RetSpec,
  args: readonly ArgSpec[],
  progTypes: readonly ProgType[] | 'all',
  effects: HelperEffects = {},
): Helper {
  return { id, name, ret, args, progTypes, ...effects, state: 'errno', fn: absentFn(ret, args) };
}

/** Zeroes what the prototype promises to fill, and gives EOPNOTSUPP or NULL. */
function absentFn(ret: RetSpec, args: readonly ArgSpec[]): HelperFn {
  const result = ret.abi === 'ptr' ? 0 : -Errno.EOPNOTSUPP;
  const high = ret.abi === 'u64' ? -1 : 0;
  return (run, ...words) => {
    let word = 0;
    for (const [i, spec] of args.entries()) {
      const to = words[word];
      word += spec.abi === 'u64' ? 2 : 1;
      if (spec.base !== 'mem' || spec.uninit !== true || to === 0) continue;
      const size = spec.size ?? (args[i + 1]?.base.startsWith('const_size') ? words[word] : 0);
      run.vm.memory.u8.fill(0, to, to + size);
    }
    run.retHi = high;
    return result;
  };
}

const arg =
  (base: ArgBase, abi: ArgAbi = 'u32') =>
  (extra: Partial<ArgSpec> = {}): ArgSpec => ({ base, abi, ...extra });

/** Constructors of argument specs, for the helper records. */
export const ARG = {
  ctx: arg('ctx')(),
  map: arg('const_map_ptr')(),
  mapKey: arg('map_key')({ rdonly: true }),
  mapValue: arg('map_value')({ rdonly: true }),
  u32: arg('anything')(),
  u64: arg('anything', 'u64')(),
  unchecked: arg('unchecked', 'u64')(),
  size: arg('const_size')(),
  sizeOrZero: arg('const_size_or_zero')(),
  memRead: arg('mem')({ rdonly: true }),
  memReadOrNull: arg('mem')({ rdonly: true, nullable: true }),
  /** Read and, for some helpers, written: initialised. */
  mem: arg('mem')(),
  memWrite: arg('mem')({ write: true }),
  memUninit: arg('mem')({ uninit: true, write: true }),
  func: arg('func')(),
  stackOrNull: arg('stack')({ nullable: true }),
  u64Out: arg('mem')({ uninit: true, write: true, size: 8, aligned: true }),
  sockCommon: arg('btf_id_sock_common')(),
  /** Not a pointer with BTF: only what the socket lookups and contexts give. */
  sockCommonPlain: arg('sock_common')(),
  timer: arg('timer')(),
  spinLock: arg('spin_lock')(),
  constStr: arg('const_str')(),
  dynptrRead: arg('dynptr')({ rdonly: true, dynptr: 'any' }),
  make: arg,
} as const;

export const RET = {
  int: { base: 'integer', abi: 's32' },
  u32: { base: 'integer', abi: 'u32' },
  u64: { base: 'integer', abi: 'u64' },
  void: { base: 'void', abi: 'void' },
  mapValueOrNull: { base: 'map_value', abi: 'ptr', nullable: true },
  mapValue: { base: 'map_value', abi: 'ptr' },
  ringbufMemOrNull: { base: 'mem', abi: 'ptr', nullable: true, ringbuf: true },
  dynptrMemOrNull: { base: 'dynptr_mem', abi: 'ptr', nullable: true },
  percpuOrNull: { base: 'mem_or_btf_id', abi: 'ptr', nullable: true, rdonly: true },
  percpu: { base: 'mem_or_btf_id', abi: 'ptr', rdonly: true },
  sockOrNull: { base: 'socket', abi: 'ptr', nullable: true },
  sockCommonOrNull: { base: 'sock_common', abi: 'ptr', nullable: true },
  tcpSockOrNull: { base: 'tcp_sock', abi: 'ptr', nullable: true },
} as const satisfies Record<string, RetSpec>;

/** Returns a pointer to a kernel structure; null where the type is that of an argument (kptr_xchg). */
export function btfRet(struct: string | null, nullable: boolean): RetSpec {
  return { base: 'btf_id', abi: 'ptr', nullable, ...(struct === null ? {} : { btf: struct }) };
}
