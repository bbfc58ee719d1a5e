/** BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: sockets among which a sk_reuseport program chooses. */
import { Errno } from '../errors.js';
import { checkArraySpec } from './array-map.js';
import type { MapFamily } from './map.js';
import { SlotMap } from './slot-map.js';
import type { Sock } from './sock.js';

export class ReuseportMap extends SlotMap<Sock> {
  protected override idOf(sock: Sock): number {
    return Number(sock.cookie);
  }

  override lookupElem(key: Uint8Array): Uint8Array {
    const sock = this.at(this.index(key));
    if (this.spec.valueSize !== 8)
      throw this.fail(Errno.ENOSPC, 'lookup', 'a cookie needs a value_size of 8');
    if (sock === undefined) throw this.fail(Errno.ENOENT, 'lookup');
    return new Uint8Array(new BigUint64Array([sock.cookie]).buffer);
  }
}

export const reuseportFamily: MapFamily = {
  check: (spec) => (spec.valueSize === 4 || spec.valueSize === 8 ? checkArraySpec(spec) : Errno.EINVAL),
  create: (spec, id, env) => new ReuseportMap(spec, id, env),
};
