import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/isa/asm.js';
import { buildCfg, toDot } from '../../../src/isa/cfg.js';
import { decode } from '../../../src/isa/decode.js';

const TEXT = `
  if r1 == 0x0 goto out
  r0 = 0x1
  again: call second
  if r0 > 0x5 goto again
  out: exit
  second: r0 = 7
  goto last
  last: exit`;

/** Each block as `first-last slot -> successors`. */
function blocks(text: string, subprogs: readonly number[]): string[] {
  const cfg = buildCfg(decode(assemble(text)), subprogs);
  return Array.from({ length: cfg.blockCount }, (_, block) => {
    const successors = [cfg.next[block], cfg.taken[block]].filter((successor) => successor >= 0);
    return `${cfg.start[block]}-${cfg.start[block + 1] - 1} -> ${successors.join(',')}`;
  });
}

describe('control-flow graph', () => {
  it('cuts subprograms into basic blocks', () => {
    expect(blocks(TEXT, [0, 6])).toEqual([
      '0-0 -> 1,3',
      '1-2 -> 2',
      '3-4 -> 3,2',
      '5-5 -> ',
      '6-7 -> 5',
      '8-8 -> ',
    ]);
  });

  it('joins a block that ends in lddw to the next', () => {
    expect(blocks('r0 = 0x1\na: r1 = 0x2\nif r0 != 0x0 goto a\nexit', [0])).toEqual([
      '0-1 -> 1',
      '2-4 -> 2,1',
      '5-5 -> ',
    ]);
  });

  it('is linear in a program of a million slots', () => {
    const bytes = new Uint8Array(8_000_000);
    for (let at = 0; at < bytes.length; at += 8) bytes[at] = 0x05;
    bytes[bytes.length - 8] = 0x95;
    expect(buildCfg(decode(bytes), [0]).blockCount).toBe(1_000_000);
  });

  it('is drawn as DOT, a cluster a subprogram, with source lines', () => {
    const program = decode(assemble('if r1 == 0x0 goto pc+0\nexit'));
    const dot = toDot(program, buildCfg(program, [0]), {
      title: 'a.o',
      subprog: () => 'main',
      source: (pc) => (pc === 1 ? 'return "x";' : undefined),
    });
    expect(dot).toBe(`digraph "a.o" {
  node [shape=box, fontname="monospace"];
  subgraph cluster_0 {
    label="main";
    b0 [label="0: (15) if r1 == 0x0 goto pc+0\\l"];
    b1 [label="; return \\"x\\";\\l1: (95) exit\\l"];
  }
  b0 -> b1 [label="no"];
  b0 -> b1 [label="yes"];
}
`);
  });
});
