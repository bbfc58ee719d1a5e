import { describe, expect, it } from 'vitest';
import { ENGINE_NAMES, engineByName } from '../../src/cli/raw-program.js';
import type { Helper } from '../../src/helpers/proto.js';
import { RET } from '../../src/helpers/proto.js';
import { assemble } from '../../src/isa/asm.js';
import type { ArrayMap } from '../../src/maps/array-map.js';
import { createMap } from '../../src/maps/create-map.js';
import { MapType } from '../../src/maps/map-types.js';
import { spec, testEnv, u64 } from '../unit/maps/map-env.js';
import { imageOf, runStateOf } from '../lib/image.js';

const kfunc: Helper = {
  id: 77,
  name: 'seventy_seven',
  ret: RET.u32,
  args: [],
  progTypes: 'all',
  state: 'full',
  fn: () => 77,
};

describe.each(ENGINE_NAMES)('instructions that refer to something outside, on %s', async (engineName) => {
  const engine = await engineByName(engineName);
  const env = testEnv();
  const map = createMap(spec(MapType.Array, 4, 16, 1), 5, env) as ArrayMap;
  map.updateElem(new Uint8Array(4), new Uint8Array([...u64(0x1122n), ...u64(0x3344n)]));
  const run = (text: string): number => {
    const image = imageOf(assemble(text), { maps: [map], kfuncs: new Map([[77, kfunc]]) });
    const state = runStateOf(env.memory, [map]);
    return engine.compile(image, env.memory, state, { checks: 'exact', fuel: 1000 }).run(0);
  };

  it.each([
    ['lddw_map_fd gives the handle of the map', 'r0 = map[fd:5]\nexit', map.handle.base],
    [
      'lddw_map_value gives the address of its value',
      'r1 = map[fd:5][0]+0\nr0 = *(u64 *)(r1 +0)\nexit',
      0x1122,
    ],
    ['lddw_map_value adds its offset', 'r1 = map[fd:5][0]+8\nr0 = *(u64 *)(r1 +0)\nexit', 0x3344],
    ['call_kfunc calls by BTF id', 'call kfunc 77, 0\nexit', 77],
    [
      'lddw_func gives equal pointers for equal subprograms',
      'r1 = subprog[f]\nr2 = subprog[f]\nr0 = 1\nif r1 == r2 goto pc+1\nr0 = 0\nexit\nf: exit',
      1,
    ],
  ])('%s', (_title, text, r0) => {
    expect(run(text)).toBe(r0);
  });
});
