import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StandaloneInfo } from '../../../src/vm/jit/standalone.js';
import { bpfvm } from '../../lib/fake-io.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'bpfvm-build-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function build(...argv: string[]) {
  const output = path.join(folder, 'out.wasm');
  const { code, err } = await bpfvm(['build', ...argv, '-o', output]);
  expect(code, err).toBe(0);
  const module = new WebAssembly.Module(readFileSync(output));
  const [section] = WebAssembly.Module.customSections(module, 'bpfvm');
  return { module, info: JSON.parse(new TextDecoder().decode(section)) as StandaloneInfo };
}

const count = ['examples/count-ports.bpf.o', '--prog', 'count_ports'] as const;

/** A host of 16 pages that allows the context and the first bytes of a packet. */
function hostOf(module: WebAssembly.Module, info: StandaloneInfo, packetSize = 60) {
  const memory = new WebAssembly.Memory({ initial: 16 });
  const view = new DataView(memory.buffer);
  const ctx = info.heapBase;
  const packet = ctx + 64;
  const asked: number[] = [];
  const { exports } = new WebAssembly.Instance(module, {
    bpfvm: {
      memory,
      load_packet: () => 0,
      check: (low: number, high: number, kind: number) => {
        asked.push(low);
        const end = low + (kind & 255);
        return Number(
          high === 0 && ((low >= ctx && end <= ctx + 24) || (low >= packet && end <= packet + packetSize)),
        );
      },
      resume: (_frame: number, pc: number) => {
        throw new Error(`fault at ${pc}`);
      },
    },
  });
  const run = (port: number): number => {
    view.setUint32(ctx, packet, true);
    view.setUint32(ctx + 4, packet + 60, true);
    view.setUint16(packet + 12, 0x0800);
    view.setUint8(packet + 14, 0x45);
    view.setUint8(packet + 23, 6);
    view.setUint16(packet + 36, port);
    return (exports['run'] as (ctx: number) => number)(ctx);
  };
  return { run, view, asked };
}

describe('bpfvm build', () => {
  it('makes a module that runs under plain WebAssembly, with counters in its memory', async () => {
    const { module, info } = await build(...count);
    expect(WebAssembly.Module.imports(module).map(({ name }) => name)).toEqual([
      'memory',
      'resume',
      'check',
      'load_packet',
    ]);
    const { run, view } = hostOf(module, info);
    expect([80, 80, 23].map((port) => run(port))).toEqual([2, 2, 1]);
    const { values } = info.maps.find(({ name }) => name === 'packets')!;
    expect(view.getBigUint64(values!.base + 80 * values!.stride, true)).toBe(2n);
  });

  it("asks the host about every access to what is the host's, and faults where it says no", async () => {
    const { module, info } = await build(...count);
    const { run, asked } = hostOf(module, info);
    expect(run(80)).toBe(2);
    expect(asked.length).toBeGreaterThan(5);
    // The last byte that the program reads of the packet is number 37.
    expect(hostOf(module, info, 38).run(80)).toBe(2);
    expect(() => hostOf(module, info, 37).run(80)).toThrow('fault at 17');
  });

  it('asks nothing with --checks proved, but for what the verifier did not see', async () => {
    const proved = await build(...count, '--checks', 'proved');
    const host = hostOf(proved.module, proved.info);
    expect(host.run(80)).toBe(2);
    expect(host.asked).toEqual([]);
    const unseen = await build(...count, '--checks', 'proved', '--no-verify');
    expect(() => hostOf(unseen.module, unseen.info, 37).run(80)).toThrow('fault at 17');
  });

  it('asks nothing with --checks off', async () => {
    const { module, info } = await build(...count, '--checks', 'off', '--fuel', '0');
    const { run, asked } = hostOf(module, info);
    expect(run(23)).toBe(1);
    expect(asked).toEqual([]);
  });

  it('names the helpers that it needs, with the types of their arguments', async () => {
    const { module, info } = await build('examples/redirect.bpf.o', '--prog', 'verdict');
    const helpers = info.helpers.map(({ name }) => name);
    expect(helpers).toContain('bpf_sk_redirect_map');
    const imports = WebAssembly.Module.imports(module).map(({ name }) => name);
    expect(imports).toEqual(['memory', 'resume', 'check', 'load_packet', ...helpers]);
  });

  it.each([
    ['an unknown program', [count[0], '--prog', 'nothing'], 'nothing'],
    ['an unknown mode', [...count, '--checks', 'some'], '--checks some'],
    ['fuel that is no number', [...count, '--fuel', 'much'], '--fuel much'],
  ])('refuses %s', async (_name, argv, text) => {
    const { code, err } = await bpfvm(['build', ...argv, '-o', path.join(folder, 'none.wasm')]);
    expect(code).not.toBe(0);
    expect(err).toContain(text);
  });
});
