/**
 * Errors of bpfvm. Three channels are kept apart: what a program sees is a negative errno in r0; a fault of a
 * program is a `BpfFault`; bad input or misuse is a subclass of `BpfError` with a stable `code`.
 */

/** Linux errno numbers (asm-generic) that the VM returns to programs and callers. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EMFILE: 24,
  ENOSPC: 28,
  EPIPE: 32,
  EDOM: 33,
  ERANGE: 34,
  ENOSYS: 38,
  ELOOP: 40,
  ENODATA: 61,
  ENOLINK: 67,
  EPROTO: 71,
  EBADMSG: 74,
  EOVERFLOW: 75,
  ESTRPIPE: 86,
  ENOTSOCK: 88,
  EDESTADDRREQ: 89,
  EMSGSIZE: 90,
  EPROTOTYPE: 91,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  ESOCKTNOSUPPORT: 94,
  EOPNOTSUPP: 95,
  EPFNOSUPPORT: 96,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  EISCONN: 106,
  ENOTCONN: 107,
  ESHUTDOWN: 108,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EALREADY: 114,
  EINPROGRESS: 115,
  ENOTSUPP: 524,
} as const;

export type ErrnoName = keyof typeof Errno;

const errnoNames = new Map<number, string>(Object.entries(Errno).map(([name, value]) => [value, name]));

/** The symbolic name of an errno of either sign, or its number as text where it has none here. */
export function errnoName(errno: number): string {
  const value = Math.abs(errno);
  return errnoNames.get(value) ?? String(value);
}

export interface BpfErrorOptions {
  /** What a caller may do about it; printed in parentheses after the message. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** Base of every error that bpfvm throws for bad input or misuse. `code` is stable: match on it. */
export class BpfError extends Error {
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: BpfErrorOptions = {}) {
    super(
      options.hint === undefined ? message : `${message} (${options.hint})`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
  }
}

/** The bytes are not an ELF object that can be read. Codes start with `ERR_BPF_ELF_`. */
export class ElfError extends BpfError {}

/** The type information (.BTF, .BTF.ext) is malformed. Codes start with `ERR_BPF_BTF_`. */
export class BtfError extends BpfError {}

/** A relocation cannot be resolved. Codes start with `ERR_BPF_RELO_`. */
export class RelocationError extends BpfError {}

/** Misuse of the API or the command line: no such program, no such map. Codes start with `ERR_BPF_`. */
export class UsageError extends BpfError {}

/** An operation that the kernel would refuse with an errno. */
export class ErrnoError extends BpfError {
  /** Positive Linux errno, see `Errno`. */
  readonly errno: number;

  constructor(code: string, errno: number, message: string, options: BpfErrorOptions = {}) {
    super(code, `${message}: ${errnoName(errno)}`, options);
    this.errno = errno;
  }
}

/** A map operation failed. */
export class MapError extends ErrnoError {}

/** A program could not be attached, detached or queried. */
export class AttachError extends ErrnoError {}

/** A socket operation failed. */
export class SocketError extends ErrnoError {}

export interface VerifierErrorInfo {
  readonly program: string;
  /** Positive errno with which the kernel's BPF_PROG_LOAD would fail. */
  readonly errno: number;
  /** Slot index of the refused instruction; -1 where the program as a whole is refused. */
  readonly pc: number;
  /** The whole log, a line an element. */
  readonly log: readonly string[];
}

/** The program was refused before it ran. The log survives every wrapping. */
export class VerifierError extends BpfError {
  readonly program: string;
  readonly errno: number;
  readonly pc: number;
  readonly log: readonly string[];

  constructor(code: string, message: string, info: VerifierErrorInfo, options: BpfErrorOptions = {}) {
    super(code, message, options);
    this.program = info.program;
    this.errno = info.errno;
    this.pc = info.pc;
    this.log = info.log;
  }
}

export type FaultKind =
  | 'bad-address'
  | 'read-only'
  | 'null-pointer'
  | 'misaligned-atomic'
  | 'stack-overflow'
  | 'call-depth'
  | 'out-of-fuel'
  | 'unknown-helper'
  | 'bad-helper-argument'
  | 'bad-call-target'
  | 'illegal-instruction';

export interface FaultInfo {
  readonly kind: FaultKind;
  /** Slot index of the faulting instruction. */
  readonly pc: number;
  readonly program: string;
  /** Address that was accessed, 64 bits; absent where the fault is no memory access. */
  readonly address?: bigint;
  readonly size?: number;
  readonly access?: 'read' | 'write' | 'atomic';
  /** Description of the nearest memory region, e.g. `stack of frame 0 [0x1000, 0x1200)`. */
  readonly region?: string;
  /** r0..r10, 64 bits unsigned, at the fault, where the engine has them. */
  readonly registers?: readonly bigint[];
  /** `file.c:12: text of the line`, from .BTF.ext. */
  readonly sourceLine?: string;
  readonly detail?: string;
}

/** A running program did something that is not allowed. The same on every engine. */
export class BpfFault extends BpfError {
  readonly fault: FaultInfo;

  constructor(fault: FaultInfo) {
    const where = `program ${fault.program}: insn ${fault.pc}`;
    const what =
      fault.address === undefined
        ? fault.kind
        : `${fault.kind}: ${fault.access ?? 'access'} of ${fault.size ?? 0} bytes at 0x${fault.address.toString(16)}`;
    const detail = fault.detail === undefined ? '' : `: ${fault.detail}`;
    const near = fault.region === undefined ? '' : ` near ${fault.region}`;
    const line = fault.sourceLine === undefined ? '' : ` [${fault.sourceLine}]`;
    super('ERR_BPF_FAULT', `${where}: ${what}${detail}${near}${line}`);
    this.fault = fault;
  }

  get kind(): FaultKind {
    return this.fault.kind;
  }

  get pc(): number {
    return this.fault.pc;
  }
}
