/** Maps that a program of this type may not use at all. */
import { Errno } from '../errors.js';
import { MapType } from '../maps/map-types.js';
import { ProgType } from '../progs/prog-types.js';
import type { SpecialFieldKind, VerifierInput, VerifierMap } from './input.js';

const TRACING = new Set<ProgType>([
  ProgType.Kprobe,
  ProgType.Tracepoint,
  ProgType.PerfEvent,
  ProgType.RawTracepoint,
  ProgType.RawTracepointWritable,
]);

const SLEEPABLE = new Set<MapType>([
  MapType.Hash,
  MapType.LruHash,
  MapType.Array,
  MapType.PercpuHash,
  MapType.PercpuArray,
  MapType.LruPercpuHash,
  MapType.ArrayOfMaps,
  MapType.HashOfMaps,
  MapType.Ringbuf,
  MapType.UserRingbuf,
  MapType.InodeStorage,
  MapType.SkStorage,
  MapType.TaskStorage,
  MapType.CgrpStorage,
  MapType.Queue,
  MapType.Stack,
  MapType.Arena,
]);

const has = (map: VerifierMap, ...kinds: SpecialFieldKind[]): boolean =>
  map.fields.some((field) => kinds.includes(field.kind));

function problem(map: VerifierMap, input: VerifierInput): string | undefined {
  const isTracing = TRACING.has(input.progType);
  if (isTracing && has(map, 'list_head', 'rb_root'))
    return 'tracing progs cannot use bpf_{list_head,rb_root} yet';
  if (has(map, 'spin_lock', 'res_spin_lock')) {
    if (input.progType === ProgType.SocketFilter) return 'socket filter progs cannot use bpf_spin_lock yet';
    if (isTracing) return 'tracing progs cannot use bpf_spin_lock yet';
  }
  if (isTracing && has(map, 'timer')) return 'tracing progs cannot use bpf_timer yet';
  if (isTracing && has(map, 'wq')) return 'tracing progs cannot use bpf_wq yet';
  if (map.type === MapType.StructOps) return 'bpf_struct_ops map cannot be used in prog';
  if (input.flags.sleepable === true && !SLEEPABLE.has(map.type)) {
    return 'Sleepable programs can only use array, hash, ringbuf and local storage maps';
  }
  return undefined;
}

export function checkMaps(input: VerifierInput, reject: (errno: number, message: string) => never): void {
  for (const map of input.maps.values()) {
    const message = problem(map, input);
    if (message !== undefined) reject(Errno.EINVAL, message);
  }
}
