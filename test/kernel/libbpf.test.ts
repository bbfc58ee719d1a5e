/** Every selftest object read here and by libbpf: the same is found in it, and the same would go to the kernel. */
import { expect, it } from 'vitest';
import { BpfError } from '../../src/errors.js';
import type { ObjectSpec } from '../../src/elf/object-spec.js';
import { readObject } from '../../src/elf/read-object.js';
import { Relocator } from '../../src/elf/relocate.js';
import type { MapSpec } from '../../src/maps/map.js';
import type { Corpus } from './lib/corpus.js';
import { describeCorpus } from './lib/corpus.js';
import { kernelTargets } from './lib/kernel-targets.js';
import type { ListedMap, ListedObject, LoadedProgram } from './lib/libbpf-list.js';
import { listCorpus } from './lib/libbpf-list.js';

/** libbpf refuses these since 1.0; older loaders and bpfvm do not. */
const OPENED_NEVERTHELESS: ReadonlySet<string> = new Set(['test_sk_assign']);

/** Objects that both refuse: they are parts that only make sense linked with others, or are wrong on purpose. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  linked_funcs1: /extern set_output_val2/,
  linked_funcs2: /extern set_output_val1/,
  linked_maps1: /section \.maps/,
  linked_maps2: /section \.maps/,
  linked_vars1: /extern input_data2/,
  linked_vars2: /extern input_bss1/,
  test_pinning_invalid: /map nopinmap3: pinning 2/,
  test_subskeleton: /extern lib_routine/,
  test_subskeleton_lib: /section \.maps/,
  test_usdt_multispec: /extern my_pid/,
};

function open(corpus: Corpus, name: string): ObjectSpec | BpfError {
  try {
    return readObject(corpus.read(name), `${name}.bpf.o`);
  } catch (error) {
    if (error instanceof BpfError) return error;
    throw error;
  }
}

function sizes(map: MapSpec): NonNullable<ListedMap['inner']> {
  const { type, keySize, valueSize, maxEntries, flags } = map;
  return { type, keySize, valueSize, maxEntries, flags };
}

function listed(map: MapSpec): ListedMap {
  return {
    name: map.name,
    ...sizes(map),
    extra: String(map.mapExtra ?? 0n),
    numaNode: map.numaNode ?? 0,
    pinned: map.pinning === 1,
    ...(map.inner === undefined ? {} : { inner: sizes(map.inner) }),
  };
}

/** Programs in libbpf's order, without those of `.text`, which it does not list either. */
const programs = (spec: ObjectSpec): unknown[] =>
  spec.programs.map(({ name, section, progType, attachType, autoload, subprogs }) => ({
    name,
    section,
    type: progType,
    attachType,
    autoload,
    slots: subprogs[0]!.length,
  }));

describeCorpus('objects as libbpf opens them', (corpus) => {
  const objects = new Map<string, ListedObject>();
  const specs = new Map<string, ObjectSpec>();

  it('lists the corpus', async () => {
    for (const [name, object] of await listCorpus()) objects.set(name, object);
    expect(objects.size).toBe(corpus.names.length);
  });

  it('opens what libbpf opens, and refuses what libbpf refuses, for the same reason', () => {
    const differing: string[] = [];
    for (const object of objects.values()) {
      const spec = open(corpus, object.name);
      if (!(spec instanceof BpfError)) specs.set(object.name, spec);
      if (object.refused === undefined ? spec instanceof BpfError : !OPENED_NEVERTHELESS.has(object.name)) {
        const reason = spec instanceof BpfError ? spec.message : 'opened';
        if (REFUSED[object.name]?.test(reason) !== true) differing.push(`${object.name}: ${reason}`);
      }
    }
    expect(differing).toEqual([]);
  });

  it('finds the same programs: sections, types, attach types, lengths', () => {
    for (const [name, spec] of specs) {
      if (OPENED_NEVERTHELESS.has(name)) continue;
      expect(programs(spec), name).toEqual(objects.get(name)!.programs);
    }
  });

  it('finds the same maps: types, sizes, flags, pinning, inner maps', () => {
    for (const [name, spec] of specs) {
      if (OPENED_NEVERTHELESS.has(name)) continue;
      expect(spec.maps.map(listed), name).toEqual(objects.get(name)!.maps);
    }
  });

  it('links and relocates every program that libbpf loads to the same instructions', () => {
    const targets = kernelTargets();
    const differing: string[] = [];
    let compared = 0;
    for (const [name, spec] of specs) {
      for (const loaded of objects.get(name)!.loaded) {
        compared++;
        const fact = compare(spec, loaded, targets);
        if (fact !== undefined) differing.push(`${name}: ${loaded.name}: ${fact}`);
      }
    }
    console.log(`${compared} programs compared with libbpf's instruction streams`);
    expect(differing).toEqual([]);
    expect(compared).toBeGreaterThan(3000);
  });
});

/** What differs between a program as libbpf loads it and as it is relocated here. */
function compare(
  spec: ObjectSpec,
  loaded: LoadedProgram,
  targets: ReturnType<typeof kernelTargets>,
): string | undefined {
  const program = spec.programs.find((candidate) => candidate.name === loaded.name)!;
  const relocator = new Relocator(spec, {
    core: targets.core,
    extern: (extern) => targets.extern(extern, spec.btf),
    mapId: (name) => loaded.maps.get(name),
  });
  const { insns } = relocator.relocate(program);
  if (insns.length !== loaded.insns.length) {
    return `${insns.length / 8} slots, libbpf has ${loaded.insns.length / 8}`;
  }
  for (let at = 0; at < insns.length; at += 8) {
    const [ours, theirs] = [insns, loaded.insns].map((bytes) =>
      Buffer.from(bytes.subarray(at, at + 8)).toString('hex'),
    );
    if (ours !== theirs) return `insn ${at / 8}: ${ours}, libbpf has ${theirs}`;
  }
  if (program.flags !== loaded.flags) return `flags ${program.flags}, libbpf has ${loaded.flags}`;
  if (program.funcInfo.length !== loaded.functions) {
    return `${program.funcInfo.length} functions, libbpf has ${loaded.functions}`;
  }
  if (program.lineInfo.length !== loaded.lines) {
    return `${program.lineInfo.length} lines, libbpf has ${loaded.lines}`;
  }
  return undefined;
}
