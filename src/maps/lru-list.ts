/**
 * The replacement order of the LRU hash maps, after the kernel's: approximate, cheap on lookups.
 *
 *     free ---> local free --(used)--> pending --+--> inactive --+--> evicted
 *                                                |       ^       |
 *                                        referenced      |   referenced
 *                                                |       |       |
 *                                                +--> active <---+
 *
 * A lookup only sets the reference bit of the element. When the free elements run out, the pending ones are sorted
 * into the lists, the lists are rotated a little, and the tail of the inactive list is evicted.
 */

const enum List {
  None = 0,
  Free,
  LocalFree,
  Pending,
  Inactive,
  Active,
}
const LISTS = 6;

/** Elements that a CPU takes at once, and that one pass over a list looks at. */
const LOCAL_TARGET = 128;
const LOCAL_SCANS = 128;

export class LruList {
  /** Doubly linked lists; the heads are at the indices after the elements. */
  private readonly next: Int32Array;
  private readonly prev: Int32Array;
  private readonly list: Uint8Array;
  private readonly referenced: Uint8Array;
  private readonly counts = new Int32Array(LISTS);
  private readonly capacity: number;
  private readonly target: number;
  /** Where the rotation of the inactive list goes on; 0: at its tail. */
  private rotation = 0;
  /** Takes an element out of its map; it is free afterwards. */
  private readonly evict: (index: number) => void;

  /** Elements are numbered from 1 to `capacity`. */
  constructor(capacity: number, cpus: number, evict: (index: number) => void) {
    this.capacity = capacity;
    this.target = Math.min(LOCAL_TARGET, Math.max(1, Math.floor(capacity / cpus / 2)));
    this.evict = evict;
    this.next = new Int32Array(capacity + 1 + LISTS);
    this.prev = new Int32Array(capacity + 1 + LISTS);
    this.list = new Uint8Array(capacity + 1);
    this.referenced = new Uint8Array(capacity + 1);
    for (let i = 0; i < LISTS; i++) {
      const head = this.head(i);
      this.next[head] = this.prev[head] = head;
    }
    for (let i = 1; i <= capacity; i++) this.pushTail(i, List.Free);
  }

  private head(list: List): number {
    return this.capacity + 1 + list;
  }

  private pushHead(index: number, list: List): void {
    this.link(index, this.head(list), this.next[this.head(list)]);
    this.list[index] = list;
    this.counts[list]++;
  }

  private pushTail(index: number, list: List): void {
    this.link(index, this.prev[this.head(list)], this.head(list));
    this.list[index] = list;
    this.counts[list]++;
  }

  private link(index: number, before: number, after: number): void {
    this.next[before] = index;
    this.prev[index] = before;
    this.next[index] = after;
    this.prev[after] = index;
  }

  private unlink(index: number): void {
    if (index === this.rotation) this.rotation = this.towardsHead(index);
    const before = this.prev[index];
    const after = this.next[index];
    this.next[before] = after;
    this.prev[after] = before;
    this.counts[this.list[index]]--;
    this.list[index] = List.None;
  }

  /** The element before, or 0 at the head. */
  private towardsHead(index: number): number {
    const before = this.prev[index];
    return before > this.capacity ? 0 : before;
  }

  private tail(list: List): number {
    const index = this.prev[this.head(list)];
    return index > this.capacity ? 0 : index;
  }

  private move(index: number, list: List): void {
    this.unlink(index);
    this.referenced[index] = 0;
    this.pushHead(index, list);
  }

  /** The element was used. */
  touch(index: number): void {
    this.referenced[index] = 1;
  }

  /** An element for a new entry, evicting where none is free; 0 where nothing can be evicted. */
  take(): number {
    if (this.counts[List.LocalFree] === 0) this.refill();
    const index = this.tail(List.LocalFree);
    if (index === 0) return 0;
    this.move(index, List.Pending);
    return index;
  }

  /** The element is no longer in the map. */
  release(index: number): void {
    const list: List = this.list[index];
    if (list === List.Free || list === List.LocalFree) return;
    this.move(index, list === List.Pending ? List.LocalFree : List.Free);
  }

  private refill(): void {
    this.flushPending();
    this.rotate();
    let got = 0;
    for (; got < this.target; got++) {
      const index = this.next[this.head(List.Free)];
      if (index > this.capacity) break;
      this.move(index, List.LocalFree);
    }
    if (got < this.target) this.shrink(this.target - got);
    // All that is left is pending: it was put in since, by whoever runs now.
    if (this.counts[List.LocalFree] === 0) this.stealPending();
  }

  private flushPending(): void {
    for (let index = this.tail(List.Pending); index !== 0; index = this.tail(List.Pending)) {
      const used = this.referenced[index] === 1;
      this.move(index, used ? List.Active : List.Inactive);
    }
  }

  private rotate(): void {
    if (this.counts[List.Inactive] < this.counts[List.Active]) this.rotateActive();
    this.rotateInactive();
  }

  private rotateActive(): void {
    let index = this.tail(List.Active);
    for (let i = 0; i < LOCAL_SCANS && index !== 0; i++) {
      const following = this.towardsHead(index);
      this.move(index, this.referenced[index] === 1 ? List.Active : List.Inactive);
      index = following;
    }
  }

  /** Referenced elements leave the inactive list, a part of it at a time. */
  private rotateInactive(): void {
    if (this.counts[List.Inactive] === 0) return;
    let index = this.rotation === 0 ? this.tail(List.Inactive) : this.rotation;
    for (let i = 0; i < LOCAL_SCANS && index !== 0; i++) {
      const following = this.towardsHead(index);
      if (this.referenced[index] === 1) this.move(index, List.Active);
      index = following;
    }
    this.rotation = index;
  }

  /** Evicts up to `wanted` from the inactive tail; at least one of anything where the inactive list gives none. */
  private shrink(wanted: number): void {
    let evicted = 0;
    let index = this.tail(List.Inactive);
    for (let i = 0; i < LOCAL_SCANS && evicted < wanted && index !== 0; i++) {
      const following = this.towardsHead(index);
      if (this.referenced[index] === 1) this.move(index, List.Active);
      else {
        this.evictTo(index);
        evicted++;
      }
      index = following;
    }
    if (evicted > 0) return;
    const last = this.tail(List.Inactive) || this.tail(List.Active);
    if (last !== 0) this.evictTo(last);
  }

  private evictTo(index: number): void {
    this.evict(index);
    this.move(index, List.LocalFree);
  }

  private stealPending(): void {
    const index = this.tail(List.Pending);
    if (index !== 0) this.evictTo(index);
  }
}
