/** Values of an object's global variables after a run. */
import type { BpfObject } from '../object.js';

const MAX_BYTES = 64;

/** Scalars of .data and .bss by name, decimal; larger variables as hex. Read-only and static ones are left out. */
export function globalValues(object: BpfObject): Record<string, string> {
  const values: Record<string, string> = {};
  for (const global of object.spec.globals) {
    if (global.section.startsWith('.rodata') || global.isStatic || !object.maps.has(global.map)) continue;
    const value = object.getGlobal(global.name);
    values[global.name] =
      value instanceof Uint8Array ? Buffer.from(value.subarray(0, MAX_BYTES)).toString('hex') : String(value);
  }
  return values;
}
