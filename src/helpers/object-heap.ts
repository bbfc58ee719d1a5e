/**
 * Objects that programs allocate (bpf_obj_new and its kin), and the lists and trees that they put them into. The
 * program sees the objects' bytes; who is linked where is kept here, by the addresses of heads and nodes.
 */
import type { BpfMemory, Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';

interface Owned {
  readonly region: Region;
  refs: number;
}

export class ObjectHeap {
  private readonly memory: BpfMemory;
  private readonly objects = new Map<number, Owned>();
  /** Nodes in order, by the address of their list head or tree root. */
  private readonly collections = new Map<number, number[]>();
  /** Head or root that a node is in. */
  private readonly owner = new Map<number, number>();

  constructor(memory: BpfMemory) {
    this.memory = memory;
  }

  /** Objects alive. */
  get count(): number {
    return this.objects.size;
  }

  /** Address of zeroed memory with one reference. */
  create(size: number): number {
    const region = this.memory.alloc(size, RegionKind.Mem, { label: 'object of a program' });
    this.objects.set(region.base, { region, refs: 1 });
    return region.base;
  }

  /** Bytes of the object at `address`; 0 where there is none. */
  sizeOf(address: number): number {
    return this.objects.get(address)?.region.size ?? 0;
  }

  acquire(address: number): boolean {
    const object = this.objects.get(address);
    if (object === undefined) return false;
    object.refs++;
    return true;
  }

  /** Gives a reference back; with the last one go the object and all that is linked in it. */
  release(address: number): void {
    const pending = [address];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      const object = this.objects.get(at);
      if (object === undefined || --object.refs > 0) continue;
      pending.push(...this.unlinkAll(object.region));
      this.objects.delete(at);
      this.memory.free(object.region);
    }
  }

  /** Empties the lists and trees inside a region; the objects that were in them. */
  private unlinkAll(region: Region): number[] {
    const found: number[] = [];
    for (const [head, nodes] of this.collections) {
      if (head < region.base || head >= region.base + region.size) continue;
      for (const node of nodes) {
        this.owner.delete(node);
        found.push(this.objectOf(node));
      }
      this.collections.delete(head);
    }
    return found;
  }

  /** The object in which a node lies. */
  objectOf(node: number): number {
    return this.memory.find(node)?.base ?? 0;
  }

  nodes(head: number): readonly number[] {
    return this.collections.get(head) ?? [];
  }

  /** Links a node before position `index`; false where it is linked already, which takes the caller's reference. */
  insert(head: number, node: number, index: number): boolean {
    if (this.owner.has(node)) {
      this.release(this.objectOf(node));
      return false;
    }
    const nodes = this.collections.get(head);
    if (nodes === undefined) this.collections.set(head, [node]);
    else nodes.splice(index, 0, node);
    this.owner.set(node, head);
    return true;
  }

  /** Unlinks a node; its address, or 0 where it is not in this list or tree. */
  remove(head: number, node: number | undefined): number {
    if (node === undefined || this.owner.get(node) !== head) return 0;
    const nodes = this.collections.get(head)!;
    nodes.splice(nodes.indexOf(node), 1);
    if (nodes.length === 0) this.collections.delete(head);
    this.owner.delete(node);
    return node;
  }
}
