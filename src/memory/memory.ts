/**
 * The flat address space of a VM: one WebAssembly.Memory, 32-bit addresses.
 *
 *      0x0000          0x8000
 *      +---------------+--------------------------------------------------+
 *      | unused        | regions, each between red zones of 8 bytes or more |
 *      +---------------+--------------------------------------------------+
 *
 * Growing replaces the ArrayBuffer: after anything that may allocate, read the views anew from the object.
 */
import { BpfError } from '../errors.js';

export const enum RegionKind {
  Stack = 1,
  Ctx,
  Packet,
  MapValue,
  MapKey,
  Sock,
  Mem,
  /** Descriptors of maps and other handles: an address that programs may hold but not dereference. */
  Handle,
}

const KIND_NAMES: Readonly<Record<RegionKind, string>> = {
  [RegionKind.Stack]: 'stack',
  [RegionKind.Ctx]: 'context',
  [RegionKind.Packet]: 'packet',
  [RegionKind.MapValue]: 'map values',
  [RegionKind.MapKey]: 'map keys',
  [RegionKind.Sock]: 'socket',
  [RegionKind.Mem]: 'memory',
  [RegionKind.Handle]: 'handle',
};

/** An allocation. `base` is aligned to 8 at least; programs may access [base, base + size). */
export interface Region {
  readonly base: number;
  readonly size: number;
  readonly kind: RegionKind;
  readonly writable: boolean;
  /** For faults: `value of map counters`. Empty: an engine's own memory, of which faults do not speak. */
  readonly label: string;
  /** Bytes from base to the next region that the allocator may use. */
  readonly span: number;
}

export interface AllocOptions {
  readonly align?: number;
  readonly writable?: boolean;
  readonly label?: string;
}

export interface MemoryOptions {
  /** Limit of the address space in bytes; default 1 GiB, at most 2 GiB less a page, so that no address is negative as int32. */
  readonly maxBytes?: number;
}

const PAGE = 65536;
/**
 * Nothing is allocated below the largest offset that an instruction can have, so that the sum of a base and a positive
 * offset inside a region never carries out of 32 bits.
 */
const FIRST_ADDRESS = 0x8000;
const RED_ZONE = 8;

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;

export class BpfMemory {
  readonly wasm: WebAssembly.Memory;
  u8!: Uint8Array;
  u16!: Uint16Array;
  i32!: Int32Array;
  u32!: Uint32Array;
  view!: DataView;
  /** Counts replacements of the buffer; a holder of views compares it. */
  generation = 0;
  /** Counts changes of the set of regions; a holder of cached regions compares it. */
  epoch = 0;

  /** Live regions by ascending base. */
  private readonly regions: Region[] = [];
  private readonly free_ = new Map<number, number[]>();
  private top = FIRST_ADDRESS;
  private readonly maxBytes: number;
  private last: Region | undefined;

  constructor(options: MemoryOptions = {}) {
    this.maxBytes = Math.min(options.maxBytes ?? 1 << 30, 0x8000_0000 - PAGE);
    this.wasm = new WebAssembly.Memory({ initial: 4, maximum: Math.ceil(this.maxBytes / PAGE) });
    this.refresh();
  }

  /** Re-reads the views after the buffer was replaced. */
  refresh(): void {
    const buffer = this.wasm.buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.view = new DataView(buffer);
    this.generation++;
  }

  /** Bytes in use below the top, red zones and free spans included. */
  get usedBytes(): number {
    return this.top;
  }

  /**
   * Allocates zeroed memory. Sizes are rounded to classes internally; the region keeps the exact size.
   * @throws BpfError `ERR_BPF_MEMORY_LIMIT` when the address space is used up.
   */
  alloc(size: number, kind: RegionKind, options: AllocOptions = {}): Region {
    const align = Math.max(8, options.align ?? 8);
    const span = roundUp(size + RED_ZONE, align > 8 ? align : size < 1024 ? 16 : size < PAGE ? 256 : 4096);
    const base = this.takeFree(span, align) ?? this.takeTop(span, align);
    const region: Region = {
      base,
      size,
      kind,
      writable: options.writable ?? true,
      label: options.label ?? KIND_NAMES[kind],
      span,
    };
    this.regions.splice(this.indexAfter(base), 0, region);
    this.epoch++;
    return region;
  }

  free(region: Region): void {
    const index = this.indexAfter(region.base) - 1;
    if (this.regions[index] !== region) throw new BpfError('ERR_BPF_MEMORY_FREE', 'region is not allocated');
    this.regions.splice(index, 1);
    this.last = undefined;
    this.epoch++;
    const list = this.free_.get(region.span);
    if (list === undefined) this.free_.set(region.span, [region.base]);
    else list.push(region.base);
  }

  /** Replaces a region's attributes, e.g. to freeze .rodata; base and size stay. */
  protect(region: Region, writable: boolean): Region {
    const index = this.indexAfter(region.base) - 1;
    if (this.regions[index] !== region) throw new BpfError('ERR_BPF_MEMORY_FREE', 'region is not allocated');
    const changed = { ...region, writable };
    this.regions[index] = changed;
    this.last = undefined;
    this.epoch++;
    return changed;
  }

  /** The region that holds `address`, if one does. */
  find(address: number): Region | undefined {
    const last = this.last;
    if (last !== undefined && address >= last.base && address < last.base + last.size) return last;
    const region = this.regions[this.indexAfter(address) - 1];
    if (region === undefined || address >= region.base + region.size) return undefined;
    this.last = region;
    return region;
  }

  /** Whether a program may access `size` bytes at `address` (an unsigned 32-bit number). */
  check(address: number, size: number, isWrite: boolean): boolean {
    const region = this.find(address);
    return (
      region !== undefined &&
      address + size <= region.base + region.size &&
      region.kind !== RegionKind.Handle &&
      (!isWrite || region.writable)
    );
  }

  /** For faults: the region at or next below `address`, with its bounds. */
  describe(address: number): string {
    let index = this.indexAfter(address) - 1;
    while (index >= 0 && this.regions[index].label === '') index--;
    const region = this.regions[index];
    if (region === undefined) return 'the NULL page';
    const end = region.base + region.size;
    return `${region.label} [0x${region.base.toString(16)}, 0x${end.toString(16)})`;
  }

  private indexAfter(address: number): number {
    let low = 0;
    let high = this.regions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.regions[middle].base <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private takeFree(span: number, align: number): number | undefined {
    const list = this.free_.get(span);
    if (list === undefined) return undefined;
    const index = align === 8 ? list.length - 1 : list.findLastIndex((base) => base % align === 0);
    if (index < 0) return undefined;
    const [base] = list.splice(index, 1);
    this.u8.fill(0, base, base + span);
    return base;
  }

  private takeTop(span: number, align: number): number {
    const base = roundUp(this.top, align);
    const top = base + span;
    if (top > this.maxBytes) {
      throw new BpfError(
        'ERR_BPF_MEMORY_LIMIT',
        `${span} bytes do not fit: ${this.top} of ${this.maxBytes} are used`,
      );
    }
    const have = this.wasm.buffer.byteLength;
    if (top > have) {
      // Doubling keeps the number of replaced buffers small.
      const want = Math.min(Math.max(top, have * 2), this.maxBytes);
      this.wasm.grow(Math.ceil((want - have) / PAGE));
      this.refresh();
    }
    this.top = top;
    return base;
  }
}
