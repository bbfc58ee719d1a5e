import { describe, expect, it } from 'vitest';
import type { ArgSpec, Helper } from '../../../src/helpers/proto.js';
import { ARG, RET } from '../../../src/helpers/proto.js';
import { BpfMemory, RegionKind } from '../../../src/memory/memory.js';
import { checkHelperArgs } from '../../../src/vm/helper-args.js';
import { runStateOf } from '../../lib/image.js';

const memory = new BpfMemory();
const run = runStateOf(memory);
const bytes = memory.alloc(16, RegionKind.Mem);
const frozen = memory.alloc(16, RegionKind.MapValue, { writable: false });
const handle = memory.alloc(64, RegionKind.Handle);
const sock = memory.alloc(32, RegionKind.Sock);
const text = memory.alloc(8, RegionKind.Mem);
memory.u8.set([65, 66, 0], text.base);
run.ctx = memory.alloc(8, RegionKind.Ctx).base;

const FUNCTION = 0xf000_0007;
const SOCKET: ArgSpec = { base: 'sock_common', abi: 'u32' };
const STRING: ArgSpec = { base: 'const_str', abi: 'u32' };

/** What is wrong with the low words given for the arguments, or null. */
function check(args: readonly ArgSpec[], ...low: readonly number[]): string | null {
  const words = new Int32Array(10);
  for (const [index, value] of low.entries()) words[2 * index] = value;
  const helper: Helper = {
    id: 1,
    name: 'h',
    ret: RET.int,
    args,
    progTypes: 'all',
    state: 'full',
    fn: () => 0,
  };
  return checkHelperArgs(helper, words, 0, memory, run, (pointer) => pointer === FUNCTION);
}

describe('helper arguments of unverified programs', () => {
  it.each<[string, readonly ArgSpec[], readonly number[]]>([
    ['memory with its size', [ARG.memRead, ARG.size], [bytes.base, 16]],
    ['read-only memory that is only read', [ARG.memRead, ARG.size], [frozen.base, 16]],
    ['NULL where it may be', [ARG.memReadOrNull, ARG.sizeOrZero], [0, 0]],
    ['no bytes at all', [ARG.memRead, ARG.sizeOrZero], [bytes.base, 0]],
    ['the context', [ARG.ctx], [run.ctx]],
    ['a subprogram', [ARG.func], [FUNCTION]],
    ['a socket', [SOCKET], [sock.base]],
    ['a string', [STRING], [text.base]],
    ['anything', [ARG.u32, ARG.u64], [-1, -1]],
  ])('are good: %s', (_name, args, low) => {
    expect(check(args, ...low)).toBeNull();
  });

  it.each<[string, readonly ArgSpec[], readonly number[]]>([
    ['a byte too many', [ARG.memRead, ARG.size], [bytes.base, 17]],
    ['a size of 0', [ARG.memRead, ARG.size], [bytes.base, 0]],
    ['a negative size', [ARG.memRead, ARG.sizeOrZero], [bytes.base, -1]],
    ['read-only memory that is written', [ARG.memWrite, ARG.size], [frozen.base, 16]],
    ['a handle as memory', [ARG.memRead, ARG.size], [handle.base, 8]],
    ['memory as a map', [ARG.map], [bytes.base]],
    ['a handle of no map', [ARG.map], [handle.base]],
    ['another context', [ARG.ctx], [bytes.base]],
    ['a number as a subprogram', [ARG.func], [7]],
    ['the inside of a socket', [SOCKET], [sock.base + 8]],
    ['memory as a socket', [SOCKET], [bytes.base]],
    ['bytes without an end as a string', [STRING], [frozen.base + 16]],
  ])('are refused: %s', (_name, args, low) => {
    expect(check(args, ...low)).toMatch(/^argument \d .* of h /);
  });

  it('are refused where the high word of a pointer is set', () => {
    const words = Int32Array.of(bytes.base, 1, 8, 0);
    const args = [ARG.memRead, ARG.size];
    const helper: Helper = {
      id: 1,
      name: 'h',
      ret: RET.int,
      args,
      progTypes: 'all',
      state: 'full',
      fn: () => 0,
    };
    expect(checkHelperArgs(helper, words, 0, memory, run, () => false)).toContain('is no address');
  });
});
