/** Keys under which `bpfvm run` puts sockets into a map: templates of fields, filled per socket. */
import { UsageError } from '../errors.js';

/** What a template can refer to. Addresses are 4 bytes in network order (zero for IPv6 and unix), ports in host order. */
export interface KeySource {
  /** Slot number that the command counts: 0, 1, 2, ... */
  readonly index: number;
  readonly localIp4: Uint8Array;
  readonly remoteIp4: Uint8Array;
  readonly localPort: number;
  readonly remotePort: number;
  /** The other socket of a pair, where there is one: what the `peer_` fields show. */
  readonly peer?: KeySource;
}

interface KeyField {
  readonly size: number;
  write(view: DataView, at: number, source: KeySource): void;
}

const bytesAt = (view: DataView, at: number, bytes: Uint8Array): void => {
  new Uint8Array(view.buffer, view.byteOffset + at, bytes.length).set(bytes);
};

/**
 * Fields by name. Ports come in the two forms that programs use: `port` as the 16-bit number in network order at the
 * start of a u32 (what `__sk_buff.remote_port >> 16` and `bpf_htonl(local_port) >> 16` give), `port_host` as a u32.
 */
const FIELDS: Readonly<Record<string, KeyField>> = {
  index: { size: 4, write: (view, at, s) => view.setUint32(at, s.index, true) },
  local_ip4: { size: 4, write: (view, at, s) => bytesAt(view, at, s.localIp4) },
  remote_ip4: { size: 4, write: (view, at, s) => bytesAt(view, at, s.remoteIp4) },
  local_port: { size: 4, write: (view, at, s) => view.setUint16(at, s.localPort, false) },
  remote_port: { size: 4, write: (view, at, s) => view.setUint16(at, s.remotePort, false) },
  local_port_host: { size: 4, write: (view, at, s) => view.setUint32(at, s.localPort, true) },
  remote_port_host: { size: 4, write: (view, at, s) => view.setUint32(at, s.remotePort, true) },
};

const PEER = 'peer_';

/** `peer_FIELD` is the field of the other socket of a pair. */
function fieldOf(name: string): KeyField | undefined {
  const base = name.startsWith(PEER) ? name.slice(PEER.length) : name;
  if (!Object.hasOwn(FIELDS, base)) return undefined;
  const field = FIELDS[base];
  if (!name.startsWith(PEER)) return field;
  return {
    size: field.size,
    write: (view, at, source) => {
      if (source.peer !== undefined) field.write(view, at, source.peer);
    },
  };
}

const TUPLE = 'remote_ip4,local_ip4,remote_port,local_port';

/** A compiled template: fills a key of `keySize` bytes, the rest zero. */
export type KeyTemplate = (source: KeySource) => Uint8Array;

/**
 * Compiles `index`, `tuple` (remote and local address, remote and local port, 4 bytes each) or a comma-separated list
 * of fields. Undefined chooses `tuple` for keys of 16 bytes and `index` otherwise.
 * @throws UsageError on an unknown field, or where the fields do not fit the key.
 */
export function compileKeyTemplate(template: string | undefined, keySize: number): KeyTemplate {
  const text = template ?? (keySize === 16 ? 'tuple' : 'index');
  const names = (text === 'tuple' ? TUPLE : text).split(',').map((name) => name.trim());
  const fields = names.map((name) => {
    const field = fieldOf(name);
    if (field !== undefined) return field;
    throw new UsageError('ERR_BPF_USAGE_KEY', `--key ${text}: no field "${name}"`, {
      hint: `fields are ${Object.keys(FIELDS).join(', ')}, each also as ${PEER}FIELD; "tuple" is ${TUPLE}`,
    });
  });
  const size = fields.reduce((sum, field) => sum + field.size, 0);
  // An index may be cut to a shorter key; fields that do not fit would make all keys wrong.
  if (size > keySize && text !== 'index') {
    throw new UsageError(
      'ERR_BPF_USAGE_KEY',
      `--key ${text} takes ${size} bytes, the map's key has ${keySize}`,
    );
  }
  return (source) => {
    const bytes = new Uint8Array(Math.max(size, keySize));
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const field of fields) {
      field.write(view, at, source);
      at += field.size;
    }
    return bytes.subarray(0, keySize);
  };
}
