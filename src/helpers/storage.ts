/** Helpers: local storage of sockets and others. */
import { ProgType } from '../progs/prog-types.js';
import { TC, CGROUP, TRACING, BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const STORAGE_HELPERS: readonly Helper[] = [
  absent(
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
  ),
  absent(
    107,
    'bpf_sk_storage_get',
    RET.mapValueOrNull,
    [ARG.map, ARG.ctx, ARG.make('map_value')({ nullable: true }), ARG.u64],
    [ProgType.CgroupSock],
  ),
  absent(
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
  ),
  absent(
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
  ),
  absent(
    108,
    'bpf_sk_storage_delete',
    RET.int,
    [ARG.map, ARG.make('btf_id')({ nullable: true, btf: ['sock_common'] })],
    [ProgType.Tracing, ProgType.Syscall],
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
  absent(
    81,
    'bpf_get_local_storage',
    RET.mapValue,
    [ARG.map, ARG.u64],
    [...CGROUP, ProgType.CgroupSkb, ProgType.SockOps, ProgType.Lsm],
  ),
];
