/**
 * BPF_MAP_TYPE_LPM_TRIE: the value of the longest prefix that a key has. A key is
 *
 *     | prefixlen: u32, host order | data, most significant bit first |
 *
 * A node is a prefix that was inserted, or the point where two part; each child is longer than its parent.
 */
import { Errno } from '../errors.js';
import { accessFlagsOk, ACCESS_FLAGS } from './array-map.js';
import { checkPresence } from './hash-map.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BPF_EXIST, MapFlag } from './map.js';
import { Slab } from './slab.js';
import { StoredMap } from './stored-map.js';

interface Node {
  readonly length: number;
  readonly data: Uint8Array;
  /** Address of the value; 0 for a point where two prefixes part. */
  value: number;
  readonly children: [Node | null, Node | null];
}

const bitOf = (data: Uint8Array, index: number): 0 | 1 =>
  ((data[index >>> 3] >>> (7 - (index & 7))) & 1) as 0 | 1;

export class LpmTrie extends StoredMap {
  private root: Node | null = null;
  private count_ = 0;
  private readonly slab: Slab;
  private readonly dataSize: number;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env);
    this.dataSize = spec.keySize - 4;
    this.slab = new Slab(env, spec.valueSize, `values of map ${spec.name}`);
  }

  get count(): number {
    return this.count_;
  }

  private lengthAt(keyAddr: number): number {
    return this.env.memory.view.getUint32(keyAddr, true);
  }

  private dataAt(keyAddr: number): Uint8Array {
    return this.env.memory.u8.subarray(keyAddr + 4, keyAddr + 4 + this.dataSize);
  }

  /** Bits that a node's prefix and the key have in common, at most those of the shorter. */
  private common(node: Node, data: Uint8Array, length: number): number {
    const limit = Math.min(node.length, length);
    let bits = 0;
    for (let i = 0; bits < limit; i++, bits += 8) {
      const difference = node.data[i] ^ data[i];
      if (difference !== 0) return Math.min(limit, bits + Math.clz32(difference) - 24);
    }
    return limit;
  }

  override lookup(keyAddr: number): number {
    const length = this.lengthAt(keyAddr);
    if (length > this.dataSize * 8) return 0;
    const data = this.dataAt(keyAddr);
    let found = 0;
    for (let node = this.root; node !== null;) {
      const common = this.common(node, data, length);
      if (common < node.length) break;
      if (node.value !== 0) found = node.value;
      if (common === this.dataSize * 8) break;
      node = node.children[bitOf(data, node.length)];
    }
    return found;
  }

  override update(keyAddr: number, valueAddr: number, flags: number): number {
    if (flags >>> 0 > BPF_EXIST) return -Errno.EINVAL;
    const length = this.lengthAt(keyAddr);
    if (length > this.dataSize * 8) return -Errno.EINVAL;
    const data = this.dataAt(keyAddr).slice();
    const { parent, side, node, common } = this.descend(data, length);
    const exists = node?.length === length && common === length && node.value !== 0;
    const refused = checkPresence(exists, flags);
    if (refused !== 0) return refused;
    if (!exists && this.count_ >= this.spec.maxEntries) return -Errno.ENOSPC;
    const value = this.slab.take();
    this.copyValue(value, valueAddr);
    if (node?.length === length && common === length) {
      // The node stays; a value that a program may hold keeps its bytes.
      if (node.value !== 0) this.slab.release(node.value);
      else this.count_++;
      node.value = value;
      return 0;
    }
    this.count_++;
    const leaf: Node = { length, data, value, children: [null, null] };
    this.attach(parent, side, node === null ? leaf : join(leaf, node, common));
    return 0;
  }

  /** Where a prefix is or belongs: the first node that the prefix does not pass, and the link to it. */
  private descend(
    data: Uint8Array,
    length: number,
  ): { parent: Node | null; side: 0 | 1; node: Node | null; common: number } {
    let parent: Node | null = null;
    let side: 0 | 1 = 0;
    let node = this.root;
    let common = 0;
    while (node !== null) {
      common = this.common(node, data, length);
      if (common < node.length || node.length === length) break;
      side = bitOf(data, node.length);
      parent = node;
      node = node.children[side];
    }
    return { parent, side, node, common };
  }

  private attach(parent: Node | null, side: 0 | 1, node: Node | null): void {
    if (parent === null) this.root = node;
    else parent.children[side] = node;
  }

  override delete(keyAddr: number): number {
    const length = this.lengthAt(keyAddr);
    if (length > this.dataSize * 8) return -Errno.EINVAL;
    const data = this.dataAt(keyAddr);
    let grandparent: Node | null = null;
    let parent: Node | null = null;
    let parentSide: 0 | 1 = 0;
    let side: 0 | 1 = 0;
    let node = this.root;
    while (node !== null) {
      if (this.common(node, data, length) < node.length || node.length === length) break;
      grandparent = parent;
      parentSide = side;
      parent = node;
      side = bitOf(data, node.length);
      node = node.children[side];
    }
    if (node?.length !== length || node.value === 0) return -Errno.ENOENT;
    if (this.common(node, data, length) !== length) return -Errno.ENOENT;
    this.slab.release(node.value);
    node.value = 0;
    this.count_--;
    const [left, right] = node.children;
    if (left !== null && right !== null) return 0;
    const rest = left ?? right;
    this.attach(parent, side, rest);
    // A point where two parted has no reason to be once one of them is gone.
    if (rest === null && parent?.value === 0) this.attach(grandparent, parentSide, parent.children[1 - side]);
    return 0;
  }

  /** Longer prefixes before the shorter ones that hold them; left before right. */
  protected override next(keyAddr: number, outAddr: number): number {
    const order = [...walk(this.root)];
    if (order.length === 0) return -Errno.ENOENT;
    let index = -1;
    if (keyAddr !== 0) {
      const length = this.lengthAt(keyAddr);
      const data = this.dataAt(keyAddr);
      index = order.findIndex((node) => node.length === length && this.common(node, data, length) === length);
    }
    if (index === order.length - 1) return -Errno.ENOENT;
    const { length, data } = order[index + 1];
    this.env.memory.view.setUint32(outAddr, length, true);
    this.env.memory.u8.set(data, outAddr + 4);
    return 0;
  }

  override destroy(): void {
    this.slab.destroy();
    super.destroy();
  }
}

/** A leaf and the node that it meets after `common` bits: one above the other, or side by side. */
function join(leaf: Node, node: Node, common: number): Node {
  if (common === leaf.length) {
    leaf.children[bitOf(node.data, common)] = node;
    return leaf;
  }
  const fork: Node = { length: common, data: node.data, value: 0, children: [null, null] };
  const side = bitOf(leaf.data, common);
  fork.children[side] = leaf;
  fork.children[1 - side] = node;
  return fork;
}

/** Post-order over the nodes with values, without recursion. */
function* walk(root: Node | null): Generator<Node> {
  const stack: { node: Node; seen: boolean }[] = root === null ? [] : [{ node: root, seen: false }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    if (top.seen) {
      if (top.node.value !== 0) yield top.node;
      continue;
    }
    stack.push({ node: top.node, seen: true });
    const [left, right] = top.node.children;
    if (right !== null) stack.push({ node: right, seen: false });
    if (left !== null) stack.push({ node: left, seen: false });
  }
}

const KEY_MAX = 256 + 4;
const VALUE_MAX = (4 << 20) - 300;

export const lpmTrieFamily: MapFamily = {
  check: (spec) => {
    const { flags, keySize, valueSize } = spec;
    const allowed = MapFlag.NO_PREALLOC | MapFlag.NUMA_NODE | ACCESS_FLAGS;
    if (spec.maxEntries === 0 || (flags & MapFlag.NO_PREALLOC) === 0) return Errno.EINVAL;
    if ((flags & ~allowed) !== 0 || !accessFlagsOk(flags)) return Errno.EINVAL;
    if (keySize < 5 || keySize > KEY_MAX || valueSize < 1 || valueSize > VALUE_MAX) return Errno.EINVAL;
    return 0;
  },
  create: (spec, id, env) => new LpmTrie(spec, id, env),
};
