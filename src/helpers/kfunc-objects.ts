/** Kfuncs: objects that programs allocate, and their lists and trees. */
import { Errno } from '../errors.js';
import type { HelperFn } from './proto.js';
import type { RunState } from './run-state.js';

/** Bytes of a type of the program's BTF; 0 for none. */
export type TypeSize = (typeId: number) => number;

/** The functions that need the types of the program. */
export function objectFunctions(sizeOf: TypeSize): Readonly<Record<string, HelperFn>> {
  return {
    bpf_obj_new_impl: (run, typeId) => create(run, sizeOf(typeId)),
    bpf_percpu_obj_new_impl: (run, typeId) => create(run, Math.ceil(sizeOf(typeId) / 8) * 8 * run.vm.cpus),
  };
}

function create(run: RunState, size: number): number {
  return size === 0 ? 0 : run.objects.create(size);
}

const drop: HelperFn = (run, object) => {
  run.objects.release(object);
  return 0;
};

/** At the front (`index` 0) or the back. */
const push =
  (front: boolean): HelperFn =>
  (run, head, node) => {
    const index = front ? 0 : run.objects.nodes(head).length;
    return run.objects.insert(head, node, index) ? 0 : -Errno.EINVAL;
  };

const pop =
  (front: boolean): HelperFn =>
  (run, head) =>
    run.objects.remove(head, run.objects.nodes(head).at(front ? 0 : -1));

/** Behind all that are not greater, by the program's `less(a, b)`. */
const treeAdd: HelperFn = (run, root, node, less) => {
  const nodes = run.objects.nodes(root);
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((run.callback(less, [node, 0, nodes[middle], 0]) & 0xff) !== 0) high = middle;
    else low = middle + 1;
  }
  return run.objects.insert(root, node, low) ? 0 : -Errno.EINVAL;
};

export const OBJECT_FUNCTIONS: Readonly<Record<string, HelperFn>> = {
  bpf_obj_drop_impl: drop,
  bpf_percpu_obj_drop_impl: drop,
  bpf_refcount_acquire_impl: (run, object) => (run.objects.acquire(object) ? object : 0),
  bpf_list_push_front_impl: push(true),
  bpf_list_push_back_impl: push(false),
  bpf_list_pop_front: pop(true),
  bpf_list_pop_back: pop(false),
  bpf_rbtree_add_impl: treeAdd,
  bpf_rbtree_remove: (run, root, node) => run.objects.remove(root, node),
  bpf_rbtree_first: (run, root) => run.objects.nodes(root)[0] ?? 0,
};
