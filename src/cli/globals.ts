/** Values of an object's global variables after a run. */
import type { BpfObject } from '../object.js';

const MAX_BYTES = 64;

/** Scalars of .data and .bss by name, decimal; larger variables as hex. Read-only and static ones are left out. */
function globalValues(object: BpfObject): Record<string, string> {
  const values: Record<string, string> = {};
  for (const global of object.spec.globals) {
    if (global.section.startsWith('.rodata') || global.isStatic || !object.maps.has(global.map)) continue;
    const value = object.getGlobal(global.name);
    values[global.name] =
      value instanceof Uint8Array ? Buffer.from(value.subarray(0, MAX_BYTES)).toString('hex') : String(value);
  }
  return values;
}

/** Those of several objects; a variable that more than one has is named with its object. */
export function allGlobals(objects: readonly BpfObject[]): Record<string, string> {
  const labels = objects.map(({ name }, index) => {
    const before = objects.slice(0, index).filter((other) => other.name === name).length;
    return before === 0 ? name : `${name}#${before + 1}`;
  });
  const found = objects.flatMap((object, index) =>
    Object.entries(globalValues(object)).map(([name, value]) => ({ label: labels[index], name, value })),
  );
  const isShared = (name: string): boolean => found.filter((entry) => entry.name === name).length > 1;
  return Object.fromEntries(
    found.map(({ label, name, value }) => [isShared(name) ? `${label}:${name}` : name, value]),
  );
}
