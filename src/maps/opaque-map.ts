/**
 * Maps of types that need what a userspace VM lacks (tasks, inodes, stacks of a kernel). They can be made, so that
 * objects which also have them load; programs find nothing in them and callers get EOPNOTSUPP.
 */
import { Errno } from '../errors.js';
import type { MapFamily } from './map.js';
import { BpfMap } from './map.js';

class OpaqueMap extends BpfMap {
  override lookupElem(): Uint8Array {
    throw this.fail(Errno.EOPNOTSUPP, 'lookup');
  }

  override updateElem(): void {
    throw this.fail(Errno.EOPNOTSUPP, 'update');
  }

  override deleteElem(): void {
    throw this.fail(Errno.EOPNOTSUPP, 'delete');
  }

  override getNextKey(): Uint8Array {
    throw this.fail(Errno.EOPNOTSUPP, 'get_next_key');
  }

  override lookup(): number {
    return 0;
  }

  override update(): number {
    return -Errno.EOPNOTSUPP;
  }

  override delete(): number {
    return -Errno.EOPNOTSUPP;
  }
}

export const opaqueFamily: MapFamily = {
  check: () => 0,
  create: (spec, id, env) => new OpaqueMap(spec, id, env),
};
