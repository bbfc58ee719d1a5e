/** BPF_PROG_ATTACH and its kin on socket maps: which program may go where, with the kernel's errnos. */
import { AttachError, Errno } from './errors.js';
import type { BpfMap } from './maps/map.js';
import { SockMapBase } from './maps/sock-map.js';
import type { SockMapLink, SockSlot } from './maps/sock-progs.js';
import { AttachType, attachTypeName, ProgType, progTypeName } from './progs/prog-types.js';
import type { SockProgram } from './maps/sock.js';

interface Place {
  readonly slot: SockSlot;
  readonly progType: ProgType;
}

const PLACES: ReadonlyMap<AttachType, Place> = new Map<AttachType, Place>([
  [AttachType.SkMsgVerdict, { slot: 'msgVerdict', progType: ProgType.SkMsg }],
  [AttachType.SkSkbStreamParser, { slot: 'streamParser', progType: ProgType.SkSkb }],
  [AttachType.SkSkbStreamVerdict, { slot: 'streamVerdict', progType: ProgType.SkSkb }],
  [AttachType.SkSkbVerdict, { slot: 'skbVerdict', progType: ProgType.SkSkb }],
]);

/** Whether programs of this attach type go to socket maps. */
export function isSockMapAttachType(type: AttachType): boolean {
  return PLACES.has(type);
}

function refuse(errno: number, what: string, hint: string): AttachError {
  return new AttachError('ERR_BPF_ATTACH', errno, what, { hint });
}

function placeOf(map: BpfMap, type: AttachType, verb: string): { map: SockMapBase; place: Place } {
  const what = `map ${map.name}: ${verb} ${attachTypeName(type)}`;
  const place = PLACES.get(type);
  if (place === undefined) throw refuse(Errno.EINVAL, what, 'not an attach type of socket maps');
  if (!(map instanceof SockMapBase)) {
    throw refuse(Errno.EOPNOTSUPP, what, 'programs attach to maps of type sockmap and sockhash');
  }
  return { map, place };
}

function checkType(program: SockProgram, place: Place, what: string): void {
  if (program.progType === place.progType) return;
  throw refuse(Errno.EINVAL, what, `program ${program.name} has type ${progTypeName(program.progType)}`);
}

/**
 * BPF_PROG_ATTACH: sockets that enter the map from now on get a copy of the program; those in it do not.
 * @throws AttachError EINVAL, EOPNOTSUPP, EBUSY
 */
export function progAttach(program: SockProgram, map: BpfMap, type: AttachType, flags = 0): void {
  const found = placeOf(map, type, 'attach');
  if (flags !== 0) throw refuse(Errno.EINVAL, `map ${map.name}: attach`, 'flags must be 0');
  checkType(program, found.place, `map ${map.name}: attach ${attachTypeName(type)}`);
  found.map.progs.attach(found.place.slot, program);
}

/** BPF_PROG_DETACH. @throws AttachError EINVAL, EOPNOTSUPP, EBUSY, ENOENT where `program` is not attached there. */
export function progDetach(program: SockProgram, map: BpfMap, type: AttachType): void {
  const found = placeOf(map, type, 'detach');
  checkType(program, found.place, `map ${map.name}: detach ${attachTypeName(type)}`);
  found.map.progs.detach(found.place.slot, program);
}

/** BPF_PROG_QUERY: the ids of what is attached. @throws AttachError EINVAL, EOPNOTSUPP, EBUSY */
export function progQuery(map: BpfMap, type: AttachType): number[] {
  const found = placeOf(map, type, 'query');
  return found.map.progs.query(found.place.slot);
}

/** BPF_LINK_CREATE. @throws AttachError EINVAL also where the map is no socket map, EBUSY */
export function linkCreate(program: SockProgram, map: BpfMap, type: AttachType, flags = 0): SockMapLink {
  const what = `map ${map.name}: link ${attachTypeName(type)}`;
  if (!(map instanceof SockMapBase)) throw refuse(Errno.EINVAL, what, 'links go to socket maps');
  const found = placeOf(map, type, 'link');
  if (flags !== 0) throw refuse(Errno.EINVAL, what, 'flags must be 0');
  checkType(program, found.place, what);
  return found.map.progs.link(found.place.slot, program);
}
