/** THE table of kfuncs: those that networking programs and the kernel's own tests use. */
import { ProgType } from '../progs/prog-types.js';
import { KFUNC_FUNCTIONS, throwWith } from './kfunc-functions.js';
import type { TypeSize } from './kfunc-objects.js';
import { OBJECT_FUNCTIONS, objectFunctions } from './kfunc-objects.js';
import type { Kfunc, KfuncFlags } from './kfunc-proto.js';
import { kfunc } from './kfunc-proto.js';
import type { HelperFn } from './proto.js';

/** Kfuncs that allocate and own objects. */
const GENERIC = [
  ProgType.Xdp,
  ProgType.SchedCls,
  ProgType.CgroupSkb,
  ProgType.Tracing,
  ProgType.Tracepoint,
  ProgType.PerfEvent,
  ProgType.Lsm,
  ProgType.StructOps,
  ProgType.Syscall,
];
const SKB = [
  ProgType.SocketFilter,
  ProgType.SchedCls,
  ProgType.SchedAct,
  ProgType.SkSkb,
  ProgType.CgroupSkb,
  ProgType.LwtIn,
  ProgType.LwtOut,
  ProgType.LwtXmit,
  ProgType.LwtSeg6local,
  ProgType.Netfilter,
];
const XDP = [ProgType.Xdp];
const CONNTRACK = [ProgType.Xdp, ProgType.SchedCls];
const TEST = [ProgType.SchedCls, ProgType.Tracing, ProgType.Syscall];
const SOCK_ADDR = [ProgType.CgroupSockAddr];

const OWNED: KfuncFlags = { acquire: true, retNull: true };
const RELEASE: KfuncFlags = { release: true };

/** Functions that work here, by name. */
const FUNCTIONS: Readonly<Record<string, HelperFn>> = {
  ...KFUNC_FUNCTIONS,
  ...OBJECT_FUNCTIONS,
  ...objectFunctions(() => 0),
};

type Row = readonly [proto: string, progTypes: readonly ProgType[] | 'all', flags?: KfuncFlags];

const ROWS: readonly Row[] = [
  ['void *bpf_obj_new_impl(u64 local_type_id__k, void *meta__ign)', GENERIC, OWNED],
  ['void *bpf_percpu_obj_new_impl(u64 local_type_id__k, void *meta__ign)', GENERIC, OWNED],
  ['void bpf_obj_drop_impl(void *p__alloc, void *meta__ign)', GENERIC, RELEASE],
  ['void bpf_percpu_obj_drop_impl(void *p__alloc, void *meta__ign)', GENERIC, RELEASE],
  [
    'void *bpf_refcount_acquire_impl(void *p__refcounted_kptr, void *meta__ign)',
    GENERIC,
    { acquire: true, retNull: true, rcu: true },
  ],
  [
    'int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, u64 off)',
    GENERIC,
  ],
  [
    'int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, u64 off)',
    GENERIC,
  ],
  ['struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head)', GENERIC, OWNED],
  ['struct bpf_list_node *bpf_list_pop_back(struct bpf_list_head *head)', GENERIC, OWNED],
  [
    'struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node)',
    GENERIC,
    OWNED,
  ],
  [
    'int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node, void *less, void *meta__ign, u64 off)',
    GENERIC,
    { callsBack: true },
  ],
  ['struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root)', GENERIC, { retNull: true }],
  [
    'struct task_struct *bpf_task_acquire(struct task_struct *p)',
    GENERIC,
    { acquire: true, rcu: true, retNull: true },
  ],
  ['void bpf_task_release(struct task_struct *p)', GENERIC, RELEASE],
  ['struct task_struct *bpf_task_from_pid(s32 pid)', GENERIC, OWNED],
  [
    'struct cgroup *bpf_cgroup_acquire(struct cgroup *cgrp)',
    GENERIC,
    { acquire: true, rcu: true, retNull: true },
  ],
  ['void bpf_cgroup_release(struct cgroup *cgrp)', GENERIC, RELEASE],
  [
    'struct cgroup *bpf_cgroup_ancestor(struct cgroup *cgrp, int level)',
    GENERIC,
    { acquire: true, rcu: true, retNull: true },
  ],
  ['struct cgroup *bpf_cgroup_from_id(u64 cgid)', GENERIC, OWNED],
  ['long bpf_task_under_cgroup(struct task_struct *task, struct cgroup *ancestor)', GENERIC, { rcu: true }],
  ['struct cgroup *bpf_task_get_cgroup1(struct task_struct *task, int hierarchy_id)', GENERIC, OWNED],
  ['void bpf_throw(u64 cookie)', GENERIC, { callsBack: true }],

  ['void *bpf_cast_to_kern_ctx(void *obj)', 'all'],
  ['void *bpf_rdonly_cast(void *obj__ign, u32 btf_id__k)', 'all'],
  ['void bpf_rcu_read_lock(void)', 'all'],
  ['void bpf_rcu_read_unlock(void)', 'all'],
  ['void bpf_preempt_disable(void)', 'all'],
  ['void bpf_preempt_enable(void)', 'all'],
  [
    'void *bpf_dynptr_slice(struct bpf_dynptr *p, u32 offset, void *buffer__opt, u32 buffer__szk)',
    'all',
    { retNull: true },
  ],
  [
    'void *bpf_dynptr_slice_rdwr(struct bpf_dynptr *p, u32 offset, void *buffer__opt, u32 buffer__szk)',
    'all',
    { retNull: true },
  ],
  ['int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end)', 'all', { iterNew: true }],
  ['int *bpf_iter_num_next(struct bpf_iter_num *it)', 'all', { iterNext: true, retNull: true }],
  ['void bpf_iter_num_destroy(struct bpf_iter_num *it)', 'all', { iterDestroy: true }],
  [
    'int bpf_iter_bits_new(struct bpf_iter_bits *it, const u64 *unsafe_ptr__ign, u32 nr_words)',
    'all',
    { iterNew: true },
  ],
  ['int *bpf_iter_bits_next(struct bpf_iter_bits *it)', 'all', { iterNext: true, retNull: true }],
  ['void bpf_iter_bits_destroy(struct bpf_iter_bits *it)', 'all', { iterDestroy: true }],
  [
    'int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task__nullable, u32 flags)',
    'all',
    { iterNew: true, trustedArgs: true, rcuProtected: true },
  ],
  [
    'struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it)',
    'all',
    { iterNext: true, retNull: true },
  ],
  ['void bpf_iter_task_destroy(struct bpf_iter_task *it)', 'all', { iterDestroy: true }],
  [
    'int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task, u64 addr)',
    'all',
    { iterNew: true, rcu: true },
  ],
  [
    'struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it)',
    'all',
    { iterNext: true, retNull: true },
  ],
  ['void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it)', 'all', { iterDestroy: true }],
  ['int bpf_dynptr_adjust(struct bpf_dynptr *p, u32 start, u32 end)', 'all'],
  ['bool bpf_dynptr_is_null(struct bpf_dynptr *p)', 'all'],
  ['bool bpf_dynptr_is_rdonly(struct bpf_dynptr *p)', 'all'],
  ['u32 bpf_dynptr_size(struct bpf_dynptr *p)', 'all'],
  ['int bpf_dynptr_clone(struct bpf_dynptr *p, struct bpf_dynptr *clone__uninit)', 'all'],
  ['s64 bpf_map_sum_elem_count(struct bpf_map *map)', 'all', { trustedArgs: true }],
  ['int bpf_wq_init(struct bpf_wq *wq, void *p__map, u32 flags)', 'all'],
  ['int bpf_wq_set_callback_impl(struct bpf_wq *wq, void *callback_fn, u32 flags, void *aux__ign)', 'all'],
  ['int bpf_wq_start(struct bpf_wq *wq, u32 flags)', 'all'],
  [
    'int bpf_copy_from_user_str(void *dst, u32 dst__sz, void *unsafe_ptr__ign, u64 flags)',
    'all',
    { sleepable: true },
  ],
  ['struct bpf_cpumask *bpf_cpumask_create(void)', GENERIC, OWNED],
  ['void bpf_cpumask_release(struct bpf_cpumask *cpumask)', GENERIC, RELEASE],
  [
    'struct bpf_cpumask *bpf_cpumask_acquire(struct bpf_cpumask *cpumask)',
    GENERIC,
    { acquire: true, trustedArgs: true },
  ],
  ['u32 bpf_cpumask_first(struct cpumask *cpumask)', GENERIC, { rcu: true }],
  ['u32 bpf_cpumask_first_zero(struct cpumask *cpumask)', GENERIC, { rcu: true }],
  ['void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *cpumask)', GENERIC, { rcu: true }],
  ['void bpf_cpumask_clear_cpu(u32 cpu, struct bpf_cpumask *cpumask)', GENERIC, { rcu: true }],
  ['bool bpf_cpumask_test_cpu(u32 cpu, struct cpumask *cpumask)', GENERIC, { rcu: true }],
  ['bool bpf_cpumask_empty(struct cpumask *cpumask)', GENERIC, { rcu: true }],

  [
    'int bpf_dynptr_from_skb(struct __sk_buff *s, u64 flags, struct bpf_dynptr *ptr__uninit)',
    SKB,
    { trustedArgs: true },
  ],
  ['int bpf_dynptr_from_xdp(struct xdp_md *x, u64 flags, struct bpf_dynptr *ptr__uninit)', XDP],
  ['int bpf_xdp_metadata_rx_timestamp(struct xdp_md *ctx, u64 *timestamp)', XDP, { trustedArgs: true }],
  ['int bpf_xdp_metadata_rx_hash(struct xdp_md *ctx, u32 *hash, u32 *rss_type)', XDP, { trustedArgs: true }],
  [
    'int bpf_xdp_metadata_rx_vlan_tag(struct xdp_md *ctx, u16 *vlan_proto, u16 *vlan_tci)',
    XDP,
    { trustedArgs: true },
  ],
  [
    'int bpf_sock_addr_set_sun_path(struct bpf_sock_addr_kern *sa_kern, u8 *sun_path, u32 sun_path__sz)',
    SOCK_ADDR,
  ],
  [
    'struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *xdp_ctx, struct bpf_sock_tuple *bpf_tuple, u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)',
    CONNTRACK,
    OWNED,
  ],
  [
    'struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb_ctx, struct bpf_sock_tuple *bpf_tuple, u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)',
    CONNTRACK,
    OWNED,
  ],
  [
    'struct nf_conn___init *bpf_xdp_ct_alloc(struct xdp_md *xdp_ctx, struct bpf_sock_tuple *bpf_tuple, u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)',
    CONNTRACK,
    OWNED,
  ],
  [
    'struct nf_conn___init *bpf_skb_ct_alloc(struct __sk_buff *skb_ctx, struct bpf_sock_tuple *bpf_tuple, u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)',
    CONNTRACK,
    OWNED,
  ],
  [
    'struct nf_conn *bpf_ct_insert_entry(struct nf_conn___init *nfct_i)',
    CONNTRACK,
    { acquire: true, release: true, retNull: true },
  ],
  ['void bpf_ct_release(struct nf_conn *nfct)', CONNTRACK, RELEASE],
  ['void bpf_ct_set_timeout(struct nf_conn___init *nfct, u32 timeout)', CONNTRACK, { trustedArgs: true }],
  ['int bpf_ct_change_timeout(struct nf_conn *nfct, u32 timeout)', CONNTRACK, { trustedArgs: true }],
  ['int bpf_ct_set_status(struct nf_conn___init *nfct, u32 status)', CONNTRACK, { trustedArgs: true }],
  ['int bpf_ct_change_status(struct nf_conn *nfct, u32 status)', CONNTRACK, { trustedArgs: true }],
  ['int bpf_sock_destroy(struct sock_common *sock)', [ProgType.Tracing], { trustedArgs: true }],

  ['u64 bpf_kfunc_call_test1(struct sock *sk, u32 a, u64 b, u32 c, u64 d)', TEST],
  ['int bpf_kfunc_call_test2(struct sock *sk, u32 a, u32 b)', TEST],
  ['struct sock *bpf_kfunc_call_test3(struct sock *sk)', TEST],
  ['long bpf_kfunc_call_test4(s8 a, s16 b, int c, long d)', TEST],
  ['struct prog_test_ref_kfunc *bpf_kfunc_call_test_acquire(u64 *scalar_ptr)', TEST, OWNED],
  ['void bpf_kfunc_call_test_release(struct prog_test_ref_kfunc *p)', TEST, RELEASE],
  ['struct prog_test_member *bpf_kfunc_call_memb_acquire(void)', TEST, OWNED],
  ['void bpf_kfunc_call_memb_release(struct prog_test_member *p)', TEST, RELEASE],
  ['void bpf_kfunc_call_memb1_release(struct prog_test_member1 *p)', TEST, RELEASE],
  [
    'int *bpf_kfunc_call_test_get_rdwr_mem(struct prog_test_ref_kfunc *p, int rdwr_buf_size)',
    TEST,
    { retNull: true },
  ],
  [
    'int *bpf_kfunc_call_test_get_rdonly_mem(struct prog_test_ref_kfunc *p, int rdonly_buf_size)',
    TEST,
    { retNull: true },
  ],
  [
    'int *bpf_kfunc_call_test_acq_rdonly_mem(struct prog_test_ref_kfunc *p, int rdonly_buf_size)',
    TEST,
    OWNED,
  ],
  ['void bpf_kfunc_call_int_mem_release(int *p)', TEST, RELEASE],
  ['void bpf_kfunc_call_test_pass_ctx(struct __sk_buff *skb)', TEST],
  ['void bpf_kfunc_call_test_pass1(struct prog_test_pass1 *p)', TEST],
  ['void bpf_kfunc_call_test_pass2(struct prog_test_pass2 *p)', TEST],
  ['void bpf_kfunc_call_test_fail1(struct prog_test_fail1 *p)', TEST],
  ['void bpf_kfunc_call_test_fail2(struct prog_test_fail2 *p)', TEST],
  ['void bpf_kfunc_call_test_fail3(struct prog_test_fail3 *p)', TEST],
  ['void bpf_kfunc_call_test_mem_len_pass1(void *mem, int mem__sz)', TEST],
  ['void bpf_kfunc_call_test_mem_len_fail1(void *mem, int len)', TEST],
  ['void bpf_kfunc_call_test_mem_len_fail2(u64 *mem, int len)', TEST],
  ['void bpf_kfunc_call_test_ref(struct prog_test_ref_kfunc *p)', TEST, { trustedArgs: true, rcu: true }],
  ['void bpf_kfunc_call_test_destructive(void)', TEST, { destructive: true }],
  ['u32 bpf_kfunc_call_test_static_unused_arg(u32 arg, u32 unused)', TEST],
  ['void bpf_kfunc_call_test_sleepable(void)', TEST, { sleepable: true }],
  ['struct prog_test_ref_kfunc *bpf_kfunc_call_test_offset(struct prog_test_ref_kfunc *p)', TEST],
];

/** By id, from 1. */
export const KFUNCS: readonly Kfunc[] = ROWS.map(([proto, progTypes, flags], index) => {
  const name = /(\w+)\(/.exec(proto)![1];
  return kfunc(index + 1, proto, progTypes, flags, FUNCTIONS[name]);
});

const BY_NAME = new Map(KFUNCS.map((entry) => [entry.name, entry]));

export function kfuncByName(name: string): Kfunc | undefined {
  return BY_NAME.get(name);
}

export function kfuncById(id: number): Kfunc | undefined {
  return KFUNCS[id - 1];
}

/** What some kfuncs need of the program that calls them. */
export interface KfuncBinding {
  readonly sizeOf: TypeSize;
  /** Slot of the exception callback. */
  readonly exceptionCallback?: number | undefined;
}

/** The kfunc as a given program calls it. */
export function bindKfunc(entry: Kfunc, binding: KfuncBinding): Kfunc {
  const fn =
    entry.name === 'bpf_throw'
      ? throwWith(binding.exceptionCallback)
      : objectFunctions(binding.sizeOf)[entry.name];
  return fn === undefined ? entry : { ...entry, fn };
}
