/** Values of an object's global variables after a run. */
import type { BpfObject } from '../object.js';

/** Scalars of .data and .bss by name, decimal; larger variables as hex. Read-only ones and strings are left out. */
export function globalValues(object: BpfObject): Record<string, string> {
  const values: Record<string, string> = {};
  for (const global of object.spec.globals) {
    if (global.section.startsWith('.rodata') || global.isStatic) continue;
    const map = object.maps.get(global.map);
    if (map === undefined) continue;
    const all = map.lookupElem(new Uint8Array(4));
    const bytes = all.subarray(global.offset, global.offset + global.size);
    values[global.name] = scalar(bytes);
  }
  return values;
}

function scalar(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (bytes.length) {
    case 1:
      return String(view.getUint8(0));
    case 2:
      return String(view.getUint16(0, true));
    case 4:
      return String(view.getUint32(0, true));
    case 8:
      return String(view.getBigUint64(0, true));
    default:
      return Buffer.from(bytes.subarray(0, 64)).toString('hex');
  }
}
