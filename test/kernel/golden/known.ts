/** Rows of testrun.tsv that differ here, by object and program, each with its reason. */
export interface Known {
  readonly object: string;
  /** Programs of the object; absent: all. */
  readonly programs?: readonly string[];
  readonly reason: string;
  /** Only this engine differs. */
  readonly engine?: 'interpreter' | 'wasm';
  /** Some inputs agree by chance. */
  readonly sometimes?: boolean;
}

const STACK = 'returns bytes of the stack that it never wrote: garbage on Linux, zeros here';
const POINTER = 'writes the low byte of a pointer into the packet: addresses differ';

export const KNOWN: readonly Known[] = [
  { object: 'verifier_basic_stack', programs: ['uninitialized_stack2'], reason: STACK },
  { object: 'verifier_raw_stack', programs: ['stack_no_skb_load_bytes'], reason: STACK },
  { object: 'test_global_func16', reason: STACK },
  {
    object: 'verifier_direct_packet_access',
    programs: [
      'direct_packet_access_test4_write',
      'test18_imm_pkt_ptr_1',
      'test19_imm_pkt_ptr_2',
      'test22_x_pkt_ptr_3',
    ],
    reason: POINTER,
    sometimes: true,
  },
  { object: 'verifier_lwt', programs: ['packet_write_for_lwt_xmit'], reason: POINTER, sometimes: true },
  {
    object: 'type_cast',
    programs: ['md_xdp', 'md_skb'],
    reason: 'looks into sk_buff and xdp_buff of the kernel, which do not exist here',
  },
  {
    object: 'verifier_map_ptr',
    programs: ['ptr_read_ops_field_accepted', 'read_non_existent_field_rejected'],
    reason: 'looks into bpf_map of the kernel, which does not exist here',
  },
  {
    object: 'tailcall_bpf2bpf_hierarchy2',
    programs: ['tailcall_bpf2bpf_hierarchy_2'],
    reason: 'counts on in a global that the run of another program had counted up before',
  },
  {
    object: 'tailcall_bpf2bpf_hierarchy3',
    programs: ['tailcall_bpf2bpf_hierarchy_3'],
    reason: 'counts on in a global that the run of another program had counted up before',
  },
  {
    object: 'verifier_bounds',
    programs: ['reg_equal_const'],
    reason: 'what it leaves depends on a random number',
    sometimes: true,
  },
];
