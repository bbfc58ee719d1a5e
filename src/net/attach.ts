/** BPF_PROG_ATTACH, DETACH, QUERY and BPF_LINK_CREATE on maps, with the order of checks and the errnos of the kernel. */
import { AttachError, Errno } from '../errors.js';
import type { BpfMap } from '../maps/map.js';
import type { SockProgram } from '../maps/sock.js';
import { SockMapBase } from '../maps/sock-map.js';
import type { SockMapLink, SockSlot } from '../maps/sock-progs.js';
import { AttachType, attachTypeName, ProgType, progTypeName } from '../progs/prog-types.js';

interface SlotRow {
  readonly slot: SockSlot;
  readonly progType: ProgType;
}

/** Which programs go where; the expected attach type of an sk_skb program is not looked at. */
const SLOTS: ReadonlyMap<AttachType, SlotRow> = new Map<AttachType, SlotRow>([
  [AttachType.SkMsgVerdict, { slot: 'msgVerdict', progType: ProgType.SkMsg }],
  [AttachType.SkSkbStreamParser, { slot: 'streamParser', progType: ProgType.SkSkb }],
  [AttachType.SkSkbStreamVerdict, { slot: 'streamVerdict', progType: ProgType.SkSkb }],
  [AttachType.SkSkbVerdict, { slot: 'skbVerdict', progType: ProgType.SkSkb }],
]);

/** The attach types that a socket map knows. */
export const SOCK_MAP_ATTACH_TYPES: readonly AttachType[] = [...SLOTS.keys()];

function fail(errno: number, what: string, hint: string): AttachError {
  return new AttachError('ERR_BPF_ATTACH', errno, what, { hint });
}

function rowOf(type: AttachType, program: SockProgram, what: string): SlotRow {
  const row = SLOTS.get(type);
  if (row === undefined) {
    throw fail(Errno.EINVAL, what, `${attachTypeName(type)} is no attach type of a socket map`);
  }
  if (row.progType !== (program.progType as ProgType)) {
    const wanted = progTypeName(row.progType);
    throw fail(
      Errno.EINVAL,
      what,
      `${program.name} is ${progTypeName(program.progType)}, ${wanted} is wanted`,
    );
  }
  return row;
}

function sockMap(map: BpfMap, errno: number, what: string): SockMapBase {
  if (map instanceof SockMapBase) return map;
  throw fail(errno, what, 'only sockmap and sockhash take these programs');
}

const describe = (verb: string, map: BpfMap, type: AttachType): string =>
  `map ${map.name}: ${verb} ${attachTypeName(type)}`;

/** BPF_PROG_ATTACH. @throws AttachError EINVAL (type, flags), EOPNOTSUPP (other maps), EBUSY. */
export function attachToMap(map: BpfMap, program: SockProgram, type: AttachType, flags = 0): void {
  const what = describe('attach', map, type);
  const { slot } = rowOf(type, program, what);
  if (flags !== 0) throw fail(Errno.EINVAL, what, 'attach flags must be 0');
  sockMap(map, Errno.EOPNOTSUPP, what).progs.attach(slot, program);
}

/** BPF_PROG_DETACH. @throws AttachError EINVAL, EOPNOTSUPP, EBUSY, ENOENT. */
export function detachFromMap(map: BpfMap, program: SockProgram, type: AttachType): void {
  const what = describe('detach', map, type);
  const { slot } = rowOf(type, program, what);
  sockMap(map, Errno.EOPNOTSUPP, what).progs.detach(slot, program);
}

/** BPF_PROG_QUERY: ids of what is attached. @throws AttachError EINVAL, EOPNOTSUPP, EBUSY. */
export function queryMap(map: BpfMap, type: AttachType, flags = 0): number[] {
  const what = describe('query', map, type);
  if (flags !== 0) throw fail(Errno.EINVAL, what, 'query flags must be 0');
  const row = SLOTS.get(type);
  const { progs } = sockMap(map, Errno.EOPNOTSUPP, what);
  if (row === undefined) throw fail(Errno.EINVAL, what, 'no attach type of a socket map');
  return progs.query(row.slot);
}

/** BPF_LINK_CREATE. @throws AttachError EINVAL (flags, type, other maps), EBUSY. */
export function linkToMap(map: BpfMap, program: SockProgram, type: AttachType, flags = 0): SockMapLink {
  const what = describe('link', map, type);
  const { slot } = rowOf(type, program, what);
  if (flags !== 0) throw fail(Errno.EINVAL, what, 'link flags must be 0');
  return sockMap(map, Errno.EINVAL, what).progs.link(slot, program);
}
