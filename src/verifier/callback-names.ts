/** Helpers and kfuncs that call back into the program: at once, or later. */

const SYNC = new Set([
  'bpf_for_each_map_elem',
  'bpf_loop',
  'bpf_find_vma',
  'bpf_user_ringbuf_drain',
  'bpf_rbtree_add_impl',
]);
const ASYNC = new Set(['bpf_timer_set_callback', 'bpf_wq_set_callback_impl']);

export const isSync = (name: string): boolean => SYNC.has(name);
export const isAsync = (name: string): boolean => ASYNC.has(name);
