/**
 * SOCKMAP and SOCKHASH. Values are sockets: a caller writes a descriptor and reads the socket's cookie; a program
 * reads and writes the address of a `struct bpf_sock`.
 */
import { Errno } from '../errors.js';
import { BPF_EXIST, BPF_NOEXIST, BpfMap, MapFlag } from './map.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import type { Sock, SockLink, SockTable } from './sock.js';
import { SockProgs } from './sock-progs.js';

const ALLOWED_FLAGS = MapFlag.NUMA_NODE | MapFlag.RDONLY | MapFlag.WRONLY;

/** An entry that holds a socket. */
export abstract class Entry implements SockLink {
  readonly map: SockMapBase;
  readonly sock: Sock;

  constructor(map: SockMapBase, sock: Sock) {
    this.map = map;
    this.sock = sock;
  }

  abstract remove(): void;
}

/** What BPF_MAP_CREATE checks for both types but the key: 0 or a positive errno. */
export function checkSockSpec(spec: MapSpec): number {
  const valueFits = spec.valueSize === 4 || spec.valueSize === 8;
  return spec.maxEntries === 0 || !valueFits || (spec.flags & ~ALLOWED_FLAGS) !== 0 ? Errno.EINVAL : 0;
}

export abstract class SockMapBase extends BpfMap {
  /** What is attached to the map; a socket gets a copy when it is inserted. */
  readonly progs: SockProgs;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env);
    this.progs = new SockProgs(spec.name);
  }

  /** Sockets in the map; a socket at two keys counts twice. */
  abstract readonly count: number;

  /** Enters a socket. @throws MapError with the errno that BPF_MAP_UPDATE_ELEM would give. */
  updateSock(key: Uint8Array, sock: Sock, flags = 0): void {
    this.checkCallerWrite('update');
    this.checkSize('key', key, this.spec.keySize);
    if (!this.table.owns(sock))
      throw this.fail(Errno.ENOTSOCK, 'update', 'the value is no socket of this VM');
    const errno = -this.insert(key, 0, sock, flags);
    if (errno !== 0) throw this.fail(errno, 'update', updateHint(errno));
  }

  /** The socket at a key. */
  lookupSock(key: Uint8Array): Sock | undefined {
    this.checkSize('key', key, this.spec.keySize);
    return this.at(key, 0);
  }

  override lookupElem(key: Uint8Array, flags = 0): Uint8Array {
    this.checkCallerRead('lookup');
    this.checkSize('key', key, this.spec.keySize);
    if (flags !== 0) throw this.fail(Errno.EINVAL, 'lookup', 'flags must be 0');
    if (this.spec.valueSize !== 8) {
      throw this.fail(Errno.ENOSPC, 'lookup', 'a cookie needs a value_size of 8');
    }
    const sock = this.at(key, 0);
    if (sock === undefined) throw this.fail(Errno.ENOENT, 'lookup');
    const value = new Uint8Array(8);
    new DataView(value.buffer).setBigUint64(0, sock.cookie, true);
    return value;
  }

  override updateElem(key: Uint8Array, value: Uint8Array, flags = 0): void {
    this.checkCallerWrite('update');
    this.checkSize('value', value, this.spec.valueSize);
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const high = this.spec.valueSize === 8 ? view.getUint32(4, true) : 0;
    const fd = view.getUint32(0, true);
    if (high !== 0 || fd > 0x7fff_ffff) {
      throw this.fail(Errno.EINVAL, 'update', 'the value must be a descriptor');
    }
    const sock = this.table.byFd(fd);
    if (typeof sock === 'number') {
      throw this.fail(-sock, 'update', `${fd} is not a socket's descriptor`);
    }
    this.updateSock(key, sock, flags);
  }

  override deleteElem(key: Uint8Array): void {
    this.checkCallerWrite('delete');
    this.checkSize('key', key, this.spec.keySize);
    const errno = -this.erase(key, 0);
    if (errno !== 0) throw this.fail(errno, 'delete');
  }

  override lookup(keyAddr: number): number {
    const sock = this.at(this.env.memory.u8, keyAddr);
    return sock === undefined ? 0 : this.table.addressOf(sock);
  }

  override update(keyAddr: number, valueAddr: number, flags: number): number {
    const sock = this.table.byAddress(valueAddr);
    if (sock === undefined) return -Errno.EINVAL;
    return this.insert(this.env.memory.u8, keyAddr, sock, flags);
  }

  override delete(keyAddr: number): number {
    return this.erase(this.env.memory.u8, keyAddr);
  }

  /** For redirects and bpf_sock_map_update: the key lies at `at` in `bytes`. */
  abstract at(bytes: Uint8Array, at: number): Sock | undefined;

  /** bpf_sock_map_update, bpf_sock_hash_update: the state of the socket is not looked at. */
  insertFromSockOps(bytes: Uint8Array, at: number, sock: Sock, flags: number): number {
    if (!sock.suitable) return -Errno.EOPNOTSUPP;
    return this.enter(bytes, at, sock, flags);
  }

  /** Every occupied entry in the order of iteration. */
  abstract entries(): IterableIterator<[key: Uint8Array, sock: Sock]>;

  /** Takes every socket out. */
  abstract clear(): void;

  override destroy(): void {
    this.progs.release();
    this.clear();
    super.destroy();
  }

  protected abstract enter(bytes: Uint8Array, at: number, sock: Sock, flags: number): number;
  protected abstract erase(bytes: Uint8Array, at: number): number;

  private insert(bytes: Uint8Array, at: number, sock: Sock, flags: number): number {
    if (!sock.suitable || !sock.insertable) return -Errno.EOPNOTSUPP;
    return this.enter(bytes, at, sock, flags);
  }

  private get table(): SockTable {
    const table = this.env.sockets;
    if (table === undefined) throw this.fail(Errno.EOPNOTSUPP, 'use', 'this VM has no sockets');
    return table;
  }
}

function updateHint(errno: number): string | undefined {
  switch (errno) {
    case Errno.EOPNOTSUPP:
      return 'TCP sockets must be connected or listening, UDP bound, unix streams connected; a parser needs TCP';
    case Errno.EBUSY:
      return 'the socket has a program of that kind already, from this map or another';
    default:
      return undefined;
  }
}

class Slot extends Entry {
  readonly index: number;

  constructor(map: SockMap, sock: Sock, index: number) {
    super(map, sock);
    this.index = index;
  }

  override remove(): void {
    (this.map as SockMap).vacate(this);
  }
}

/** BPF_MAP_TYPE_SOCKMAP: an array of sockets. */
export class SockMap extends SockMapBase {
  private readonly slots = new Map<number, Slot>();

  override get count(): number {
    return this.slots.size;
  }

  override at(bytes: Uint8Array, at: number): Sock | undefined {
    return this.slots.get(indexAt(bytes, at))?.sock;
  }

  /** bpf_sk_redirect_map, bpf_msg_redirect_map. */
  atIndex(index: number): Sock | undefined {
    return this.slots.get(index >>> 0)?.sock;
  }

  override getNextKey(key: Uint8Array | null): Uint8Array {
    this.checkCallerRead('get_next_key');
    if (key !== null) this.checkSize('key', key, this.spec.keySize);
    const index = key === null ? 0xffff_ffff : indexAt(key, 0);
    if (index === this.spec.maxEntries - 1) throw this.fail(Errno.ENOENT, 'get_next_key');
    const next = new Uint8Array(4);
    new DataView(next.buffer).setUint32(0, index >= this.spec.maxEntries ? 0 : index + 1, true);
    return next;
  }

  override *entries(): IterableIterator<[Uint8Array, Sock]> {
    for (const index of [...this.slots.keys()].sort((a, b) => a - b)) {
      const slot = this.slots.get(index);
      if (slot === undefined) continue;
      const key = new Uint8Array(4);
      new DataView(key.buffer).setUint32(0, index, true);
      yield [key, slot.sock];
    }
  }

  override clear(): void {
    for (const slot of [...this.slots.values()]) slot.remove();
  }

  /** For slots: empties one unless it was replaced. */
  vacate(slot: Slot): void {
    if (this.slots.get(slot.index) !== slot) return;
    this.slots.delete(slot.index);
    slot.sock.linkDrop(slot);
  }

  protected override enter(bytes: Uint8Array, at: number, sock: Sock, flags: number): number {
    if (flags >>> 0 > BPF_EXIST) return -Errno.EINVAL;
    const index = indexAt(bytes, at);
    if (index >= this.spec.maxEntries) return -Errno.E2BIG;
    const errno = sock.psockGet(this.progs);
    if (errno < 0) return errno;
    const old = this.slots.get(index);
    if (old === undefined ? flags === BPF_EXIST : flags === BPF_NOEXIST) {
      sock.psockPut();
      return old === undefined ? -Errno.ENOENT : -Errno.EEXIST;
    }
    const slot = new Slot(this, sock, index);
    sock.linkAdd(slot);
    this.slots.set(index, slot);
    if (old !== undefined) old.sock.linkDrop(old);
    return 0;
  }

  protected override erase(bytes: Uint8Array, at: number): number {
    const slot = this.slots.get(indexAt(bytes, at));
    if (slot === undefined) return -Errno.EINVAL;
    this.vacate(slot);
    return 0;
  }
}

const indexAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;

export const sockMapFamily: MapFamily = {
  check: (spec) => (spec.keySize === 4 ? checkSockSpec(spec) : Errno.EINVAL),
  create: (spec, id, env) => new SockMap(spec, id, env),
};
