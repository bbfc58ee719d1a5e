/** Helpers: time, random numbers, CPU and process. */
import { Errno } from '../errors.js';
import { ProgType } from '../progs/prog-types.js';
import { TC, LWT, CGROUP, TRACING, SK_BASE, BASE, BASE_AND_LIRC } from './prog-sets.js';
import type { Helper } from './proto.js';
import { ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

const LOW_WORD = 0xffff_ffffn;

/** Low word as result, high word in `run.retHi`. */
export function returnU64(run: RunState, value: bigint): number {
  run.retHi = Number((value >> 32n) & LOW_WORD) | 0;
  return Number(value & LOW_WORD) | 0;
}

const returnPair = (run: RunState, low: number, high: number): number => {
  run.retHi = high;
  return low;
};

const ktimeGetNs = (run: RunState): number => returnU64(run, run.vm.ktimeNs());
/** Suspension is not seen: the boot clock is the monotonic one. */
const ktimeGetBootNs = ktimeGetNs;
const NS_PER_TICK = 4_000_000n;
const ktimeGetCoarseNs = (run: RunState): number => {
  const now = run.vm.ktimeNs();
  return returnU64(run, now - (now % NS_PER_TICK));
};
/** Seconds by which atomic time is ahead of UTC since 2017. */
const TAI_OFFSET_NS = 37_000_000_000n;
const ktimeGetTaiNs = (run: RunState): number => returnU64(run, run.vm.wallTimeNs() + TAI_OFFSET_NS);
/** 250 ticks a second, from five minutes before the 32-bit counter wraps, as the kernel starts them. */
const INITIAL_JIFFIES = 0x1_0000_0000n - 300n * 250n;
const jiffies64 = (run: RunState): number => returnU64(run, INITIAL_JIFFIES + run.vm.ktimeNs() / NS_PER_TICK);
const getPrandomU32 = (run: RunState): number => run.vm.random() | 0;
const getSmpProcessorId = (run: RunState): number => run.vm.currentCpu();
const getNumaNodeId = (): number => 0;

/** One process is seen by all programs: pid and tgid 1, run by root. */
const TASK_ID = 1;
const TASK_NAME = 'bpfvm';

const getCurrentPidTgid = (run: RunState): number => returnPair(run, TASK_ID, TASK_ID);
const getCurrentUidGid = (run: RunState): number => returnPair(run, 0, 0);
/** The root cgroup. */
const getCurrentCgroupId = (run: RunState): number => returnPair(run, 1, 0);
const getCurrentAncestorCgroupId = (run: RunState, level: number): number =>
  returnPair(run, level === 0 ? 1 : 0, 0);

function getCurrentComm(run: RunState, to: number, size: number): number {
  const { u8 } = run.vm.memory;
  u8.fill(0, to, to + size);
  for (let i = 0; i < TASK_NAME.length && i < size - 1; i++) u8[to + i] = TASK_NAME.charCodeAt(i);
  return 0;
}

/** There are no pid namespaces to be named by device and inode. */
function getNsCurrentPidTgid(
  run: RunState,
  _dev: number,
  _devHi: number,
  _ino: number,
  _inoHi: number,
  to: number,
  size: number,
): number {
  run.vm.memory.u8.fill(0, to, to + size);
  return -Errno.EINVAL;
}

export const BASE_HELPERS: readonly Helper[] = [
  helper(5, 'bpf_ktime_get_ns', RET.u64, [], BASE_AND_LIRC, ktimeGetNs),
  helper(125, 'bpf_ktime_get_boot_ns', RET.u64, [], BASE_AND_LIRC, ktimeGetBootNs),
  helper(
    160,
    'bpf_ktime_get_coarse_ns',
    RET.u64,
    [],
    [...SK_BASE, ProgType.CgroupSock, ProgType.SkReuseport, ProgType.CgroupSysctl, ProgType.StructOps],
    ktimeGetCoarseNs,
  ),
  helper(208, 'bpf_ktime_get_tai_ns', RET.u64, [], BASE, ktimeGetTaiNs),
  helper(118, 'bpf_jiffies64', RET.u64, [], BASE, jiffies64),
  helper(7, 'bpf_get_prandom_u32', RET.u32, [], BASE_AND_LIRC, getPrandomU32),
  helper(
    8,
    'bpf_get_smp_processor_id',
    RET.u32,
    [],
    [
      ...CGROUP,
      ProgType.SocketFilter,
      ProgType.CgroupSkb,
      ProgType.SockOps,
      ProgType.SkSkb,
      ProgType.SkMsg,
      ProgType.SkReuseport,
      ProgType.FlowDissector,
      ProgType.SkLookup,
      ProgType.Netfilter,
      ProgType.StructOps,
    ],
    getSmpProcessorId,
  ),
  helper(
    8,
    'bpf_get_smp_processor_id',
    RET.u32,
    [],
    [...TRACING, ...LWT, ...TC, ProgType.Xdp],
    getSmpProcessorId,
    { fastcall: true },
  ),
  helper(42, 'bpf_get_numa_node_id', RET.int, [], BASE, getNumaNodeId),
  helper(14, 'bpf_get_current_pid_tgid', RET.u64, [], BASE, getCurrentPidTgid),
  helper(
    15,
    'bpf_get_current_uid_gid',
    RET.u64,
    [],
    [...TRACING, ...CGROUP, ProgType.SkMsg],
    getCurrentUidGid,
  ),
  helper(
    16,
    'bpf_get_current_comm',
    RET.int,
    [ARG.memUninit, ARG.size],
    [...TRACING, ...CGROUP],
    getCurrentComm,
  ),
  helper(
    120,
    'bpf_get_ns_current_pid_tgid',
    RET.int,
    [ARG.u64, ARG.u64, ARG.memUninit, ARG.size],
    BASE,
    getNsCurrentPidTgid,
  ),
  helper(80, 'bpf_get_current_cgroup_id', RET.u64, [], BASE, getCurrentCgroupId),
  helper(123, 'bpf_get_current_ancestor_cgroup_id', RET.u64, [ARG.u32], BASE, getCurrentAncestorCgroupId),
];
