/** Reads of kernel structures behind typed pointers, as far as their layout is known without the kernel's BTF. */
import { Errno } from '../errors.js';
import { MapType } from '../maps/map-types.js';
import type { Env } from './env.js';
import type { MemAccess } from './mem-access.js';
import type { Reg } from './reg-state.js';
import { RegFlag, RegType, UNKNOWN_SCALAR, Reg as RegClass } from './reg-state.js';
import { assertUnmoved } from './region-access.js';

/** Allocated objects have the program's own types: plain data may be read and written. */
export function accessBtf(env: Env, reg: Reg, a: MemAccess): void {
  if (a.off < 0 && !reg.btfLocal) {
    env.reject(Errno.EACCES, `R${a.regno} is ptr_${reg.btfName} invalid negative access: off=${a.off}`);
  }
  if (!reg.bounds.isConst() || reg.bounds.tnum.value !== 0n) assertUnmoved(env, reg, a.regno, true);
  if (a.isWrite && !reg.has(RegFlag.Alloc)) env.reject(Errno.EACCES, 'only read is supported');
  if (reg.has(RegFlag.User) || reg.has(RegFlag.Percpu)) {
    env.reject(
      Errno.EACCES,
      `R${a.regno} is ptr_${reg.btfName} access ${reg.has(RegFlag.User) ? 'user' : 'percpu'} memory: off=${a.off}`,
    );
  }
  if (!a.isWrite && a.value >= 0) env.setReg(a.value, UNKNOWN_SCALAR);
}

/** Words of `struct bpf_map` that programs read: max_entries and its neighbours; the rest is the kernel's own. */
export function accessMapStruct(env: Env, reg: Reg, a: MemAccess): void {
  const name = reg.map!.type === MapType.Array ? 'bpf_array' : 'bpf_map';
  if (a.off < 0) env.reject(Errno.EACCES, `R${a.regno} is ${name} invalid negative access: off=${a.off}`);
  if (a.isWrite) env.reject(Errno.EACCES, `only read from ${name} is supported`);
  if (a.value < 0) return;
  if (a.off === 0 && a.size === 8) {
    const ops = RegClass.pointer(RegType.BtfId, RegFlag.Untrusted);
    ops.btfName = 'bpf_map_ops';
    env.setReg(a.value, ops);
  } else env.setReg(a.value, UNKNOWN_SCALAR);
}
