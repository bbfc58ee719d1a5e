/** Helpers: operations on maps, and tail calls. */
import { Errno } from '../errors.js';
import { ProgArrayMap } from '../maps/prog-array-map.js';
import { BASE, BASE_AND_LIRC } from './prog-sets.js';
import type { Helper } from './proto.js';
import { ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

/** The verifier lets only maps through; unverified programs may pass anything. */
const NOT_A_MAP = -Errno.EINVAL;

function mapLookupElem(run: RunState, map: number, key: number): number {
  return run.vm.mapByHandle(map)?.lookup(key) ?? 0;
}

function mapUpdateElem(
  run: RunState,
  map: number,
  key: number,
  value: number,
  flags: number,
  flagsHi: number,
): number {
  if (flagsHi !== 0) return -Errno.EINVAL;
  return run.vm.mapByHandle(map)?.update(key, value, flags) ?? NOT_A_MAP;
}

function mapDeleteElem(run: RunState, map: number, key: number): number {
  return run.vm.mapByHandle(map)?.delete(key) ?? NOT_A_MAP;
}

function mapPushElem(run: RunState, map: number, value: number, flags: number, flagsHi: number): number {
  if (flagsHi !== 0) return -Errno.EINVAL;
  return run.vm.mapByHandle(map)?.push(value, flags) ?? NOT_A_MAP;
}

function mapPopElem(run: RunState, map: number, value: number): number {
  return run.vm.mapByHandle(map)?.pop(value) ?? NOT_A_MAP;
}

function mapPeekElem(run: RunState, map: number, value: number): number {
  return run.vm.mapByHandle(map)?.peek(value) ?? NOT_A_MAP;
}

function mapLookupPercpuElem(run: RunState, map: number, key: number, cpu: number): number {
  return cpu >>> 0 < run.vm.cpus ? (run.vm.mapByHandle(map)?.lookupPercpu(key, cpu) ?? 0) : 0;
}

/** `callback(map, key, value, ctx)` for each element until it returns non-zero; the number of elements visited. */
function forEachMapElem(
  run: RunState,
  map: number,
  callback: number,
  ctx: number,
  flags: number,
  flagsHi: number,
): number {
  if (flags !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  const call = run.callback;
  return (
    run.vm.mapByHandle(map)?.forEach((key, value) => call(callback, [map, 0, key, 0, value, 0, ctx, 0])) ??
    NOT_A_MAP
  );
}

/** Leaves the program of the slot in `run.tailCall`, or null, where the caller goes on. */
function tailCall(run: RunState, _ctx: number, map: number, index: number): number {
  const programs = run.vm.mapByHandle(map);
  run.tailCall = programs instanceof ProgArrayMap ? programs.program(index >>> 0) : null;
  return 0;
}

export const MAP_HELPERS: readonly Helper[] = [
  helper(1, 'bpf_map_lookup_elem', RET.mapValueOrNull, [ARG.map, ARG.mapKey], BASE_AND_LIRC, mapLookupElem, {
    pktAccess: true,
  }),
  helper(
    2,
    'bpf_map_update_elem',
    RET.int,
    [ARG.map, ARG.mapKey, ARG.mapValue, ARG.u64],
    BASE_AND_LIRC,
    mapUpdateElem,
    { pktAccess: true },
  ),
  helper(3, 'bpf_map_delete_elem', RET.int, [ARG.map, ARG.mapKey], BASE_AND_LIRC, mapDeleteElem, {
    pktAccess: true,
  }),
  helper(87, 'bpf_map_push_elem', RET.int, [ARG.map, ARG.mapValue, ARG.u64], BASE_AND_LIRC, mapPushElem, {
    pktAccess: true,
  }),
  helper(
    88,
    'bpf_map_pop_elem',
    RET.int,
    [ARG.map, ARG.make('map_value')({ uninit: true, write: true })],
    BASE_AND_LIRC,
    mapPopElem,
  ),
  helper(
    89,
    'bpf_map_peek_elem',
    RET.int,
    [ARG.map, ARG.make('map_value')({ uninit: true, write: true })],
    BASE_AND_LIRC,
    mapPeekElem,
  ),
  helper(
    195,
    'bpf_map_lookup_percpu_elem',
    RET.mapValueOrNull,
    [ARG.map, ARG.mapKey, ARG.u32],
    BASE,
    mapLookupPercpuElem,
    { pktAccess: true },
  ),
  helper(
    164,
    'bpf_for_each_map_elem',
    RET.int,
    [ARG.map, ARG.func, ARG.stackOrNull, ARG.u64],
    BASE,
    forEachMapElem,
    { callsBack: true },
  ),
  helper(12, 'bpf_tail_call', RET.void, [ARG.ctx, ARG.map, ARG.u32], BASE_AND_LIRC, tailCall),
];
