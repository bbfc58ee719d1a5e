/** Array look-ups by a constant index that exists never give NULL. */
import { MapType } from '../maps/map-types.js';
import type { Env } from './env.js';
import type { VerifierMap } from './input.js';
import { markPreciseIn } from './precision.js';
import { RegType } from './reg-state.js';
import { Byte, byteAt, byteIndex, isScalarSpill, slotIndex } from './stack.js';
import { s64 } from './tnum.js';

/** Whether the key that the register points to is on the stack, known, and an index of the array. */
export function isKeyInArray(env: Env, regno: number, map: VerifierMap): boolean {
  if (map.type !== MapType.Array && map.type !== MapType.PercpuArray) return false;
  const key = constantKey(env, regno, map.keySize);
  return key !== undefined && key < BigInt(map.maxEntries);
}

/** The number in `size` bytes on the stack, where it is spilled there as such; what made it becomes precise. */
function constantKey(env: Env, regno: number, size: number): bigint | undefined {
  const reg = env.reg(regno);
  if (reg.type !== RegType.Stack || !reg.bounds.isConst()) return undefined;
  const at = reg.off + Number(s64(reg.bounds.tnum.value));
  const index = slotIndex(at);
  const slot = env.state.frames[reg.frameno].stack[index];
  if (slot === undefined) return undefined;
  const run = (byte: Byte): number => {
    let count = 0;
    for (let i = byteIndex(at); i >= 0 && byteAt(slot, i) === byte; i--) count++;
    return count;
  };
  if (run(Byte.Zero) >= size) return 0n;
  if (!isScalarSpill(slot) || run(Byte.Spill) !== size || !slot.reg.bounds.isConst()) return undefined;
  const slots = env.state.frames.map((_, frame) => (frame === reg.frameno ? [index] : []));
  markPreciseIn(env, env.state, { regs: [], slots }, true);
  return slot.reg.bounds.tnum.value;
}
