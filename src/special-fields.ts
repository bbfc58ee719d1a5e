/** Locks, timers, kernel pointers and graph nodes in a structure: what the kernel calls its `btf_record`. */
import type { Btf } from './btf/btf.js';
import { BtfKind } from './btf/types.js';
import type { SpecialField, SpecialFieldKind } from './verifier/input.js';

const BY_NAME: Readonly<Record<string, readonly [SpecialFieldKind, number]>> = {
  bpf_spin_lock: ['spin_lock', 4],
  bpf_res_spin_lock: ['res_spin_lock', 8],
  bpf_timer: ['timer', 16],
  bpf_wq: ['wq', 16],
  bpf_list_head: ['list_head', 16],
  bpf_list_node: ['list_node', 24],
  bpf_rb_root: ['rb_root', 16],
  bpf_rb_node: ['rb_node', 32],
  bpf_refcount: ['refcount', 4],
  bpf_task_work: ['task_work', 8],
};

const KPTR_TAGS: Readonly<Record<string, SpecialFieldKind>> = {
  kptr_untrusted: 'kptr_unref',
  kptr: 'kptr_ref',
  percpu_kptr: 'kptr_percpu',
  uptr: 'uptr',
};

/** Fields of a struct, or of a data section's variables; nested structures and arrays are looked into. */
export function specialFieldsOf(btf: Btf, typeId: number): SpecialField[] {
  const found: SpecialField[] = [];
  if (typeId !== 0) collect(btf, typeId, 0, found, 0);
  return found.length > MAX_FIELDS ? [] : found;
}

/** With more fields than this the kernel takes the value for plain bytes (BTF_FIELDS_MAX). */
const MAX_FIELDS = 11;

function collect(btf: Btf, typeId: number, base: number, found: SpecialField[], depth: number): void {
  if (depth > 8) return;
  const type = btf.resolve(typeId);
  if (type.kind === BtfKind.Datasec) {
    for (const entry of type.vars) {
      const variable = btf.type(entry.type);
      if (variable.kind === BtfKind.Var) add(btf, variable.type, base + entry.offset, found, depth);
    }
  } else if (type.kind === BtfKind.Struct) {
    for (const member of type.members) add(btf, member.type, base + member.bitOffset / 8, found, depth);
  }
}

function add(btf: Btf, typeId: number, offset: number, found: SpecialField[], depth: number): void {
  const type = btf.resolve(typeId);
  if (type.kind === BtfKind.Array && type.count > 0 && type.count <= 64) {
    const size = btf.sizeOf(type.type);
    if (mayHold(btf, type.type))
      for (let i = 0; i < type.count; i++) add(btf, type.type, offset + i * size, found, depth + 1);
    return;
  }
  if (type.kind === BtfKind.Struct) {
    const known = BY_NAME[type.name];
    if (known === undefined) collect(btf, typeId, offset, found, depth + 1);
    else found.push({ kind: known[0], offset, size: known[1] });
    return;
  }
  if (type.kind !== BtfKind.Ptr) return;
  const tag = btf.type(type.type);
  const kind = tag.kind === BtfKind.TypeTag ? KPTR_TAGS[tag.name] : undefined;
  if (kind !== undefined) found.push({ kind, offset, size: 8, target: btf.resolve(type.type).name });
}

function mayHold(btf: Btf, typeId: number): boolean {
  const { kind } = btf.resolve(typeId);
  return kind === BtfKind.Struct || kind === BtfKind.Ptr || kind === BtfKind.Array;
}
