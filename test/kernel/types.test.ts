/** Types against the tools that know them: the running kernel's BTF, clang and bpftool. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Btf } from '../../src/btf/btf.js';
import { dumpC } from '../../src/btf/dump-c.js';
import { rawLines } from '../../src/btf/dump-raw.js';
import type { BtfComposite } from '../../src/btf/types.js';
import { BtfKind } from '../../src/btf/types.js';
import { builtinTypes } from '../../src/elf/builtin-target.js';
import { readObject } from '../../src/elf/read-object.js';
import { BpfError } from '../../src/errors.js';
import { describeCorpus } from './lib/corpus.js';

const vmlinux = (): Btf => Btf.parse(new Uint8Array(readFileSync('/sys/kernel/btf/vmlinux')), 'vmlinux');

const isComposite = (type: { kind: BtfKind }): type is BtfComposite =>
  type.kind === BtfKind.Struct || type.kind === BtfKind.Union;

/** C that does not compile unless every named structure has the size and offsets that BTF gives. */
function layoutAsserts(btf: Btf): string {
  const counts = new Map<string, number>();
  for (const { name } of btf.types) counts.set(name, (counts.get(name) ?? 0) + 1);
  return btf.types
    .filter(isComposite)
    .filter(({ name }) => name !== '' && counts.get(name) === 1)
    .flatMap((type) => {
      const tag = `${type.kind === BtfKind.Struct ? 'struct' : 'union'} ${type.name}`;
      const members = type.members.filter((m) => m.name !== '' && m.bitSize === 0);
      return [
        `_Static_assert(sizeof(${tag}) == ${type.size}, "size of ${tag}");`,
        ...members.map(
          (m) =>
            `_Static_assert(__builtin_offsetof(${tag}, ${m.name}) == ${m.bitOffset / 8}, "${tag}.${m.name}");`,
        ),
      ];
    })
    .join('\n');
}

/** Diagnostics of a compiler; empty where the source compiles. */
function compile(command: string, args: readonly string[], source: string): string {
  const { status, stderr } = spawnSync(command, [...args, '-fsyntax-only', '-w', '-x', 'c', '-'], {
    input: source,
    encoding: 'utf8',
  });
  return status === 0 ? '' : stderr.split('\n').slice(0, 5).join('\n') || `exit ${status}`;
}

const bpftool = ['/usr/sbin/bpftool', '/usr/bin/bpftool'].find((file) => existsSync(file));

describeCorpus('types', (corpus) => {
  it('of the kernel print as C that gcc and clang lay out the same way', () => {
    const btf = vmlinux();
    const source = `${dumpC(btf)}\n${layoutAsserts(btf)}\n`;
    expect(compile('clang-19', ['--target=bpf'], source)).toBe('');
    expect(compile('gcc', [], source)).toBe('');
  });

  it('of objects print as C that compiles (every tenth object)', () => {
    const failed: string[] = [];
    for (const [index, name] of corpus.names.entries()) {
      if (index % 10 !== 0) continue;
      let btf: Btf | undefined;
      try {
        ({ btf } = readObject(corpus.read(name), `${name}.bpf.o`));
      } catch (error) {
        if (!(error instanceof BpfError)) throw error;
      }
      if (btf === undefined) continue;
      const errors = compile('clang-19', ['--target=bpf'], `${dumpC(btf)}\n${layoutAsserts(btf)}\n`);
      if (errors !== '') failed.push(`${name}: ${errors}`);
    }
    expect(failed).toEqual([]);
  });

  it.skipIf(bpftool === undefined)('are listed as bpftool lists them', () => {
    const theirs = execFileSync(bpftool!, ['btf', 'dump', 'file', '/sys/kernel/btf/vmlinux'], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    expect(rawLines(vmlinux()).join('\n') === theirs.trimEnd()).toBe(true);
  });

  it('that are built in lie where the running kernel has them', () => {
    const kernel = vmlinux();
    const differing: string[] = [];
    for (const type of builtinTypes().types) {
      if (!isComposite(type) || type.name === '') continue;
      const theirs = kernel.find(type.name, type.kind) as BtfComposite;
      if (theirs.size !== type.size) differing.push(`${type.name}: ${type.size} bytes`);
      for (const { name, bitOffset } of type.members) {
        if (name !== '' && offsetOf(kernel, theirs, name) !== bitOffset)
          differing.push(`${type.name}.${name}`);
      }
    }
    // A newer kernel took one of the four reserved bits.
    expect(differing.filter((place) => place !== 'tcphdr.res1')).toEqual([]);
  });
});

/** Bit offset of a member, anonymous ones looked through. */
function offsetOf(btf: Btf, type: BtfComposite, name: string): number | undefined {
  for (const member of type.members) {
    if (member.name === name) return member.bitOffset;
    const inner = btf.resolve(member.type);
    const found = member.name === '' && isComposite(inner) ? offsetOf(btf, inner, name) : undefined;
    if (found !== undefined) return found + member.bitOffset;
  }
  return undefined;
}
