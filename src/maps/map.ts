/** What every map is: its spec, its two faces (system call and program), its handle in the address space. */
import { Errno, MapError } from '../errors.js';
import type { BpfMemory, Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import type { MapType } from './map-types.js';
import { mapTypeName } from './map-types.js';
import type { SockTable } from './sock.js';

/** Update flags (UAPI): create or replace, create only, replace only. */
export const BPF_ANY = 0;
export const BPF_NOEXIST = 1;
export const BPF_EXIST = 2;
export const BPF_F_LOCK = 4;

/** Map creation flags (UAPI). */
export const MapFlag = {
  NO_PREALLOC: 1 << 0,
  NO_COMMON_LRU: 1 << 1,
  NUMA_NODE: 1 << 2,
  RDONLY: 1 << 3,
  WRONLY: 1 << 4,
  STACK_BUILD_ID: 1 << 5,
  ZERO_SEED: 1 << 6,
  RDONLY_PROG: 1 << 7,
  WRONLY_PROG: 1 << 8,
  CLONE: 1 << 9,
  MMAPABLE: 1 << 10,
  PRESERVE_ELEMS: 1 << 11,
  INNER_MAP: 1 << 12,
} as const;

/** A map as an object file or a caller describes it: plain data, nothing created. Sizes in bytes. */
export interface MapSpec {
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly mapExtra?: bigint;
  readonly pinning?: number;
  readonly numaNode?: number;
  /** BTF type ids of key and value in the object's BTF, 0 where unknown. */
  readonly keyTypeId?: number;
  readonly valueTypeId?: number;
  /** Template of the inner maps of a map in map. */
  readonly inner?: MapSpec;
  /** Initial slots of a map in map or prog array: slot -> name of the map or program. */
  readonly initialSlots?: ReadonlyMap<number, string>;
  /** Initial contents of a data section's map (one value). */
  readonly initialValue?: Uint8Array;
  /** Data sections: the map is read-only for programs and frozen for callers once the object is loaded. */
  readonly frozen?: boolean;
  /** Byte offset of a bpf_spin_lock and bpf_timer in the value, where it has one. */
  readonly spinLockOffset?: number;
  readonly timerOffset?: number;
  /** Further parts of the value that belong to the kernel (kptrs, list heads, work queues), in bytes. */
  readonly specialFields?: readonly { readonly offset: number; readonly size: number }[];
}

/** What a map needs of its VM. */
export interface MapEnv {
  readonly memory: BpfMemory;
  /** Number of possible CPUs, for the per-CPU maps. */
  readonly cpus: number;
  /** CPU that runs now. */
  currentCpu(): number;
  /** Monotonic time in nanoseconds. */
  now(): bigint;
  /** 32 random bits. */
  random(): number;
  /** The sockets of the VM, for the maps that hold some. */
  readonly sockets?: SockTable;
  /** Runs `fn` when no program runs any more: at once where none does. Frees memory that a program may hold. */
  whenIdle(fn: () => void): void;
}

/** A type of map: what the kernel checks when one is made, and how it is made. */
export interface MapFamily {
  /** 0, or the positive errno with which BPF_MAP_CREATE fails. */
  check(spec: MapSpec, env: MapEnv): number;
  create(spec: MapSpec, id: number, env: MapEnv): BpfMap;
}

/**
 * Base of all maps. The system-call face takes and gives bytes and throws `MapError`; the program face takes
 * addresses in the VM's memory and returns an address (0 = NULL) or a negative errno, without allocating.
 */
export abstract class BpfMap {
  readonly spec: MapSpec;
  /** Unique in its VM, from 1. */
  readonly id: number;
  /** The value of a `struct bpf_map *` in programs: the base of a `Handle` region. */
  readonly handle: Region;
  protected readonly env: MapEnv;
  /** Set by BPF_MAP_FREEZE: updates and deletes by callers fail with EPERM. */
  frozen = false;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    this.spec = spec;
    this.id = id;
    this.env = env;
    this.handle = env.memory.alloc(64, RegionKind.Handle, { label: `map ${spec.name}` });
  }

  get name(): string {
    return this.spec.name;
  }

  /** CPUs of the VM: per-CPU maps hold a value for each. */
  get cpuCount(): number {
    return this.env.cpus;
  }

  get type(): MapType {
    return this.spec.type;
  }

  // System-call face. Keys and values are exactly keySize and valueSize bytes.

  /** @throws MapError ENOENT where the key is missing. */
  abstract lookupElem(key: Uint8Array, flags?: number): Uint8Array;
  /** @throws MapError with the kernel's errno. `flags` is BPF_ANY, BPF_NOEXIST or BPF_EXIST. */
  abstract updateElem(key: Uint8Array, value: Uint8Array, flags?: number): void;
  /** @throws MapError ENOENT where the key is missing, EINVAL where the type has no deletion. */
  abstract deleteElem(key: Uint8Array): void;
  /** The key after `key`, or the first where `key` is null or unknown. @throws MapError ENOENT after the last. */
  abstract getNextKey(key: Uint8Array | null): Uint8Array;

  // Program face. Addresses are 32-bit; errors are negative errnos.

  /** Address of the value at the key stored at `keyAddr`, or 0. */
  abstract lookup(keyAddr: number): number;
  /** 0 or a negative errno. `flags` is the low word of the helper's argument; a set high word never gets here. */
  abstract update(keyAddr: number, valueAddr: number, flags: number): number;
  abstract delete(keyAddr: number): number;

  // What only some types have; the others give the errno that the kernel gives for them.

  /** bpf_map_push_elem and updates of keyless maps. 0 or a negative errno. */
  push(_valueAddr: number, _flags: number): number {
    return -Errno.ENOTSUPP;
  }

  /** bpf_map_pop_elem: copies the value to `valueAddr` and removes it. */
  pop(_valueAddr: number): number {
    return -Errno.ENOTSUPP;
  }

  /** bpf_map_peek_elem: copies the value to `valueAddr`. */
  peek(_valueAddr: number): number {
    return -Errno.ENOTSUPP;
  }

  /** Address of the value of one CPU, or 0 where there is none. */
  lookupPercpu(_keyAddr: number, _cpu: number): number {
    return 0;
  }

  /** Address of the key of the element whose value is at `valueAddr`; 0 where the type has no keys in memory. */
  keyOfValue(_valueAddr: number): number {
    return 0;
  }

  /**
   * Visits all elements for bpf_for_each_map_elem with the addresses of key and value until `visit` returns non-zero.
   * Returns the number of elements visited, or a negative errno.
   */
  forEach(_visit: (keyAddr: number, valueAddr: number) => number): number {
    return -Errno.ENOTSUPP;
  }

  /** BPF_MAP_LOOKUP_AND_DELETE_ELEM. @throws MapError ENOTSUPP where the type has none. */
  lookupAndDeleteElem(_key: Uint8Array, flags = 0): Uint8Array {
    if (flags !== 0) throw this.fail(Errno.EINVAL, `lookup_and_delete with flags ${flags}`);
    throw this.fail(Errno.ENOTSUPP, 'lookup_and_delete');
  }

  /** BPF_MAP_FREEZE: callers can no longer write. @throws MapError EPERM where they cannot already. */
  freeze(): void {
    this.checkCallerWrite('freeze');
    this.frozen = true;
  }

  /** The error of a failed operation, e.g. `map counters: update: E2BIG`. */
  protected fail(errno: number, operation: string, hint?: string): MapError {
    const message = `map ${this.name} (${mapTypeName(this.type)}): ${operation}`;
    return new MapError('ERR_BPF_MAP', Math.abs(errno), message, hint === undefined ? {} : { hint });
  }

  /** Callers may not write a frozen map, nor one made with BPF_F_RDONLY. */
  protected checkCallerWrite(operation: string): void {
    if (this.frozen || (this.spec.flags & MapFlag.RDONLY) !== 0) {
      throw this.fail(Errno.EPERM, operation, this.frozen ? 'the map is frozen' : 'made with BPF_F_RDONLY');
    }
  }

  protected checkCallerRead(operation: string): void {
    if ((this.spec.flags & MapFlag.WRONLY) !== 0) {
      throw this.fail(Errno.EPERM, operation, 'made with BPF_F_WRONLY');
    }
  }

  protected checkSize(what: string, bytes: Uint8Array, size: number): void {
    if (bytes.length === size) return;
    throw this.fail(Errno.EINVAL, `${what} of ${bytes.length} bytes, ${size} wanted`);
  }

  /** Frees the storage. Only when no program can run that refers to the map. */
  destroy(): void {
    this.env.memory.free(this.handle);
  }

  /** Address of the value area for lddw_map_value (data sections); 0 where the type has none. */
  directValueAddress(): number {
    return 0;
  }
}
