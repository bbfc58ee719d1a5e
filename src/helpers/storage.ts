/** Helpers: local storage of sockets and of the cgroup. */
import { Errno } from '../errors.js';
import { CgroupStorageMap, SkStorageMap } from '../maps/storage-map.js';
import { ProgType } from '../progs/prog-types.js';
import { TC, CGROUP, TRACING, BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

const CREATE = 1;

/** What the storage of a socket is kept under: the socket, or the one that a test run made up. */
function ownerOf(run: RunState, sock: number): object | undefined {
  const known = run.vm.sockets?.byAddress(sock);
  if (known !== undefined) return known;
  return run.testSocket?.address === sock && sock !== 0 ? run.testSocket : undefined;
}

function skStorageGet(
  run: RunState,
  map: number,
  sock: number,
  initial: number,
  flags: number,
  flagsHi: number,
): number {
  const storage = run.vm.mapByHandle(map);
  const owner = ownerOf(run, sock);
  if (!(storage instanceof SkStorageMap) || owner === undefined) return 0;
  if ((flags & ~CREATE) !== 0 || flagsHi !== 0) return 0;
  return flags === CREATE ? storage.getOrCreate(owner, initial) : storage.get(owner);
}

function skStorageDelete(run: RunState, map: number, sock: number): number {
  const storage = run.vm.mapByHandle(map);
  const owner = ownerOf(run, sock);
  if (!(storage instanceof SkStorageMap) || owner === undefined) return -Errno.EINVAL;
  return storage.drop(owner) ? 0 : -Errno.ENOENT;
}

function getLocalStorage(run: RunState, map: number): number {
  const storage = run.vm.mapByHandle(map);
  return storage instanceof CgroupStorageMap ? storage.local() : 0;
}

export const STORAGE_HELPERS: readonly Helper[] = [
  helper(
    107,
    'bpf_sk_storage_get',
    RET.mapValueOrNull,
    [ARG.map, ARG.sockCommon, ARG.make('map_value')({ nullable: true }), ARG.u64],
    [
      ...TC,
      ProgType.CgroupSkb,
      ProgType.SockOps,
      ProgType.SkMsg,
      ProgType.CgroupSockAddr,
      ProgType.Lsm,
      ProgType.CgroupSockopt,
      ProgType.StructOps,
    ],
    skStorageGet,
  ),
  helper(
    107,
    'bpf_sk_storage_get',
    RET.mapValueOrNull,
    [ARG.map, ARG.ctx, ARG.make('map_value')({ nullable: true }), ARG.u64],
    [ProgType.CgroupSock],
    skStorageGet,
  ),
  helper(
    107,
    'bpf_sk_storage_get',
    RET.mapValueOrNull,
    [
      ARG.map,
      ARG.make('btf_id')({ nullable: true, btf: ['sock_common'] }),
      ARG.make('map_value')({ nullable: true }),
      ARG.u64,
    ],
    [ProgType.Tracing, ProgType.Syscall],
    skStorageGet,
  ),
  helper(
    108,
    'bpf_sk_storage_delete',
    RET.int,
    [ARG.map, ARG.sockCommon],
    [
      ...TC,
      ProgType.CgroupSkb,
      ProgType.SockOps,
      ProgType.SkMsg,
      ProgType.CgroupSockAddr,
      ProgType.Lsm,
      ProgType.CgroupSockopt,
      ProgType.StructOps,
    ],
    skStorageDelete,
  ),
  helper(
    108,
    'bpf_sk_storage_delete',
    RET.int,
    [ARG.map, ARG.make('btf_id')({ nullable: true, btf: ['sock_common'] })],
    [ProgType.Tracing, ProgType.Syscall],
    skStorageDelete,
  ),
  absent(
    145,
    'bpf_inode_storage_get',
    RET.mapValueOrNull,
    [
      ARG.map,
      ARG.make('btf_id')({ nullable: true, btf: ['inode'] }),
      ARG.make('map_value')({ nullable: true }),
      ARG.u64,
    ],
    [ProgType.Lsm],
  ),
  absent(
    146,
    'bpf_inode_storage_delete',
    RET.int,
    [ARG.map, ARG.make('btf_id')({ nullable: true, btf: ['inode'] })],
    [ProgType.Lsm],
  ),
  absent(
    156,
    'bpf_task_storage_get',
    RET.mapValueOrNull,
    [
      ARG.map,
      ARG.make('btf_id')({ nullable: true, btf: ['task_struct'] }),
      ARG.make('map_value')({ nullable: true }),
      ARG.u64,
    ],
    TRACING,
  ),
  absent(
    157,
    'bpf_task_storage_delete',
    RET.int,
    [ARG.map, ARG.make('btf_id')({ nullable: true, btf: ['task_struct'] })],
    TRACING,
  ),
  absent(
    210,
    'bpf_cgrp_storage_get',
    RET.mapValueOrNull,
    [
      ARG.map,
      ARG.make('btf_id')({ nullable: true, btf: ['cgroup'] }),
      ARG.make('map_value')({ nullable: true }),
      ARG.u64,
    ],
    BASE,
  ),
  absent(
    211,
    'bpf_cgrp_storage_delete',
    RET.int,
    [ARG.map, ARG.make('btf_id')({ nullable: true, btf: ['cgroup'] })],
    BASE,
  ),
  helper(
    81,
    'bpf_get_local_storage',
    RET.mapValue,
    [ARG.map, ARG.u64],
    [...CGROUP, ProgType.CgroupSkb, ProgType.SockOps, ProgType.Lsm],
    getLocalStorage,
  ),
];
