import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Exit } from '../../../src/cli/output.js';
import { bpfvm } from '../../lib/fake-io.js';

const LOADER = 'test/programs/loader.bpf.o';
const folder = mkdtempSync(path.join(tmpdir(), 'bpfvm-inspect-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('bpfvm inspect', () => {
  it('says what is in an object, with types and values', async () => {
    const { code, out, err } = await bpfvm(['inspect', LOADER]);
    expect([code, err]).toEqual([Exit.ok, '']);
    for (const text of [
      'loader.bpf.o  license Dual BSD/GPL',
      /optional +\?tc +sched_cls +- +\d+ +callback leaf/,
      /typed +hash +4 +48 +16 +no_prealloc +__u32 +struct value/,
      /outer +array_of_maps .* of array/,
      '{ .name = "seven", .color = GREEN',
      /missing_kfunc +kfunc +yes +int missing_kfunc\(int\)/,
    ]) {
      expect(out).toMatch(text);
    }
  });

  it('gives an array with an entry per object as JSON, names of types as libbpf has them', async () => {
    const { out } = await bpfvm(['--json', 'inspect', LOADER, 'examples/redirect.bpf.o']);
    const entries = JSON.parse(out) as Record<string, unknown>[];
    expect(entries.map((entry) => entry['object'])).toEqual(['loader.bpf.o', 'redirect.bpf.o']);
    expect(entries[0]).toMatchObject({
      license: 'Dual BSD/GPL',
      programs: expect.arrayContaining([
        expect.objectContaining({
          name: 'relocated',
          section: 'sk_msg',
          progType: 'sk_msg',
          attachType: 'sk_msg_verdict',
          insns: 14,
          subprogs: [],
        }),
      ]) as unknown,
      maps: expect.arrayContaining([
        expect.objectContaining({
          name: 'sized',
          type: 'sockhash',
          keySize: 12,
          valueSize: 8,
          maxEntries: 20,
          flags: 0,
        }),
      ]) as unknown,
    });
  });

  it('has an entry with the error for an object that cannot be read, and exit code 3', async () => {
    const bad = path.join(folder, 'bad.bpf.o');
    writeFileSync(bad, 'no object');
    const { code, out, err } = await bpfvm(['--json', 'inspect', bad, LOADER]);
    expect(code).toBe(Exit.badObject);
    expect(err).toMatch(/^bpfvm: bad\.bpf\.o: not an ELF file/);
    const entries = JSON.parse(out) as Record<string, unknown>[];
    expect(entries[0]).toEqual({
      object: 'bad.bpf.o',
      error: { code: 'ERR_BPF_ELF_MAGIC', message: expect.any(String) as string },
    });
    expect(entries[1]).toMatchObject({ object: 'loader.bpf.o' });
  });

  it('links objects that need one another', async () => {
    const { out } = await bpfvm([
      'inspect',
      '--link',
      'test/programs/link-a.bpf.o',
      'test/programs/link-b.bpf.o',
    ]);
    expect(out).toMatch(/message +sk_msg +sk_msg +sk_msg_verdict +\d+ +helper_of_b helper_of_a either/);
  });
});

describe('bpfvm btf dump', () => {
  it('prints types in the lines of bpftool', async () => {
    const { out } = await bpfvm(['btf', 'dump', LOADER]);
    expect(out).toContain("STRUCT 'bpf_spin_lock' size=4 vlen=1\n\t'val' type_id=");
  });

  it.each([
    ['--format c', ['btf', 'dump', LOADER, '--format', 'c']],
    ["bpftool's words", ['btf', 'dump', LOADER, 'format', 'c']],
  ])('prints C with %s', async (_how, argv) => {
    const { out } = await bpfvm(argv);
    expect(out).toContain('enum color {\n\tRED = 1,\n\tGREEN = 7,\n};');
  });

  it('prints JSON', async () => {
    const { out } = await bpfvm(['--json', 'btf', 'dump', LOADER]);
    const { types } = JSON.parse(out) as { types: { id: number; kind: string }[] };
    expect(types[0]).toMatchObject({ id: 1, kind: 'PTR' });
  });

  it.each([
    ['an unknown format', ['btf', 'dump', LOADER, '--format', 'xml']],
    ['other words', ['btf', 'dump', LOADER, 'as', 'c']],
  ])('calls it usage: %s', async (_what, argv) => {
    expect((await bpfvm(argv)).code).toBe(Exit.usage);
  });
});
