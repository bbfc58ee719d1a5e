/** Format strings: constants in a frozen map. */
import { Errno } from '../errors.js';
import { MapFlag } from '../maps/map.js';
import type { Env } from './env.js';
import { RegType } from './reg-state.js';
import { assertRegion } from './region-access.js';
import { s64 } from './tnum.js';

/** The NUL-terminated string that the register points to, which must lie in a read-only, frozen map. */
export function readConstString(env: Env, regno: number): string {
  const reg = env.reg(regno);
  if (reg.type !== RegType.MapValue) env.reject(Errno.EINVAL, '');
  const map = reg.map!;
  if ((map.flags & MapFlag.RDONLY_PROG) === 0 || map.constant === undefined) {
    env.reject(Errno.EACCES, `R${regno} does not point to a readonly map'`);
  }
  if (!reg.bounds.isConst()) {
    env.reject(Errno.EACCES, `R${regno} is not a constant address'`);
  }
  const at = reg.off + Number(s64(reg.bounds.tnum.value));
  assertRegion(env, regno, reg.off, map.valueSize - at, map.valueSize, false);
  const end = map.constant.indexOf(0, at);
  if (end < 0) env.reject(Errno.EINVAL, 'string is not zero-terminated');
  return new TextDecoder().decode(map.constant.subarray(at, end));
}
