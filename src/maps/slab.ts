/** Storage for values of one size that come and go. Chunks do not move; what was freed waits until no program runs. */
import type { Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import type { MapEnv } from './map.js';
import { roundUp8 } from './stored-map.js';

const CHUNK_BYTES = 64 << 10;
const FIRST_CHUNK = 16;

export class Slab {
  private readonly stride: number;
  private readonly env: MapEnv;
  private readonly label: string;
  private readonly chunks: Region[] = [];
  private free: number[] = [];
  private pending: number[] = [];
  private readonly reclaim = (): void => {
    this.free.push(...this.pending);
    this.pending = [];
  };

  constructor(env: MapEnv, valueSize: number, label: string) {
    this.env = env;
    this.stride = roundUp8(valueSize);
    this.label = label;
  }

  /** Address of zeroed storage. @throws BpfError `ERR_BPF_MEMORY_LIMIT` */
  take(): number {
    const address = this.free.pop() ?? this.addChunk();
    this.env.memory.u8.fill(0, address, address + this.stride);
    return address;
  }

  release(address: number): void {
    this.pending.push(address);
    if (this.pending.length === 1) this.env.whenIdle(this.reclaim);
  }

  private addChunk(): number {
    const most = Math.max(1, Math.floor(CHUNK_BYTES / this.stride));
    const count = Math.min(most, FIRST_CHUNK << Math.min(this.chunks.length, 20));
    const chunk = this.env.memory.alloc(count * this.stride, RegionKind.MapValue, { label: this.label });
    this.chunks.push(chunk);
    for (let i = count - 1; i > 0; i--) this.free.push(chunk.base + i * this.stride);
    return chunk.base;
  }

  destroy(): void {
    for (const chunk of this.chunks) this.env.memory.free(chunk);
  }
}
