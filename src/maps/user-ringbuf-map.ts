/** BPF_MAP_TYPE_USER_RINGBUF: records from a caller to programs, which drain them in order. */
import { Errno } from '../errors.js';
import type { Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BpfMap } from './map.js';
import { checkRingSpec } from './ringbuf-map.js';

const HEADER = 8;

interface Sample {
  readonly address: number;
  readonly size: number;
  /** Bytes of the ring that it takes, header and padding too. */
  readonly span: number;
}

export class UserRingbufMap extends BpfMap {
  private readonly data: Region;
  private readonly dynptr: Region;
  private readonly samples: Sample[] = [];
  private used = 0;
  private at = 0;
  /** A program drains it: a second one must wait. */
  busy = false;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env);
    // Twice the size, so that a sample lies in one piece.
    this.data = env.memory.alloc(spec.maxEntries * 2, RegionKind.MapValue, {
      label: `ring of map ${spec.name}`,
      writable: false,
    });
    this.dynptr = env.memory.alloc(16, RegionKind.Mem, { label: 'dynptr of a sample', writable: false });
  }

  /** Address of the dynptr that shows a sample to a program. */
  get dynptrAddress(): number {
    return this.dynptr.base;
  }

  /** Puts a sample. @throws MapError E2BIG where it can never fit, ENOSPC where the ring is full. */
  submit(bytes: Uint8Array): void {
    this.checkCallerWrite('submit');
    const span = Math.ceil((bytes.length + HEADER) / 8) * 8;
    if (span > this.spec.maxEntries) throw this.fail(Errno.E2BIG, `submit ${bytes.length} bytes`);
    if (this.used + span > this.spec.maxEntries) throw this.fail(Errno.ENOSPC, 'submit', 'the ring is full');
    const address = this.data.base + this.at + HEADER;
    this.env.memory.u8.set(bytes, address);
    this.samples.push({ address, size: bytes.length, span });
    this.used += span;
    this.at = (this.at + span) % this.spec.maxEntries;
  }

  /** The oldest sample; it stays until `release`. */
  peekSample(): { readonly address: number; readonly size: number } | undefined {
    return this.samples[0];
  }

  release(): void {
    this.used -= this.samples.shift()?.span ?? 0;
  }

  override lookupElem(): Uint8Array {
    throw this.fail(Errno.ENOTSUPP, 'lookup');
  }

  override updateElem(): void {
    throw this.fail(Errno.ENOTSUPP, 'update', 'samples are put by submit');
  }

  override deleteElem(): void {
    throw this.fail(Errno.ENOTSUPP, 'delete');
  }

  override getNextKey(): Uint8Array {
    throw this.fail(Errno.ENOTSUPP, 'get_next_key');
  }

  override lookup(): number {
    return 0;
  }

  override update(): number {
    return -Errno.ENOTSUPP;
  }

  override delete(): number {
    return -Errno.ENOTSUPP;
  }

  override destroy(): void {
    this.env.memory.free(this.data);
    this.env.memory.free(this.dynptr);
    super.destroy();
  }
}

export const userRingbufFamily: MapFamily = {
  check: checkRingSpec,
  create: (spec, id, env) => new UserRingbufMap(spec, id, env),
};
