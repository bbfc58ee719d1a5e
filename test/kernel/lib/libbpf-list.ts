/** What the driver libbpf_list says of objects, by object. The records are described in its source. */
import path from 'node:path';
import { requireCorpus, runDriver } from './corpus.js';

export interface ListedProgram {
  readonly name: string;
  readonly section: string;
  readonly type: number;
  readonly attachType: number;
  readonly autoload: boolean;
  readonly slots: number;
}

export interface ListedMap {
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly extra: string;
  readonly numaNode: number;
  readonly pinned: boolean;
  inner?: Omit<ListedMap, 'name' | 'extra' | 'numaNode' | 'pinned'>;
}

/** A program as libbpf would give it to the kernel. */
export interface LoadedProgram {
  readonly name: string;
  readonly flags: number;
  readonly functions: number;
  readonly lines: number;
  readonly insns: Uint8Array;
  /** Number of each map in the instructions. */
  readonly maps: ReadonlyMap<string, number>;
}

export interface ListedObject {
  readonly name: string;
  /** Why libbpf refuses to open it. */
  refused?: string;
  /** Why libbpf refuses to load it, or a program of it, by name. */
  readonly errors: Map<string, string>;
  readonly programs: ListedProgram[];
  readonly maps: ListedMap[];
  readonly loaded: LoadedProgram[];
}

const BATCH = 100;

/** Lists every object of the corpus, by its name without suffix. */
export async function listCorpus(): Promise<Map<string, ListedObject>> {
  const corpus = requireCorpus();
  const objects = new Map<string, ListedObject>();
  for (let at = 0; at < corpus.names.length; at += BATCH) {
    const paths = corpus.names.slice(at, at + BATCH).map((name) => corpus.path(name));
    const { code, stdout, stderr } = await runDriver('libbpf_list', paths, { timeout: 240_000 });
    if (code !== 0) throw new Error(`libbpf_list: exit ${code}\n${stderr}`);
    parse(stdout, objects);
  }
  return objects;
}

function parse(text: string, objects: Map<string, ListedObject>): void {
  let object: ListedObject | undefined;
  let maps = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [kind, ...fields] = line.split('\t');
    const num = (index: number): number => Number(fields[index]);
    if (kind === 'O') {
      const name = path.basename(fields[0]!, '.bpf.o');
      object = { name, errors: new Map(), programs: [], maps: [], loaded: [] };
      objects.set(name, object);
    }
    if (object === undefined) continue;
    if (kind === 'F') {
      // The first map again: another load begins.
      if (maps.has(fields[1]!)) maps = new Map();
      maps.set(fields[1]!, num(0));
    } else if (kind === 'O') maps = new Map();
    else if (kind === 'E' && fields[0] === 'open') object.refused = fields[2]!;
    else if (kind === 'E') object.errors.set(fields[0]!, fields[2]!);
    else if (kind === 'P') object.programs.push(program(fields));
    else if (kind === 'M') object.maps.push(map(fields));
    else if (kind === 'I') object.maps.at(-1)!.inner = sizes(fields);
    else if (kind === 'R') object.loaded.push(loaded(fields, maps));
  }
}

function program(fields: readonly string[]): ListedProgram {
  const [type, attachType, autoload, slots] = fields.slice(2).map(Number) as [number, number, number, number];
  return { name: fields[0]!, section: fields[1]!, type, attachType, autoload: autoload === 1, slots };
}

function sizes(fields: readonly string[]): NonNullable<ListedMap['inner']> {
  const [type, keySize, valueSize, maxEntries, flags] = fields.map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { type, keySize, valueSize, maxEntries, flags };
}

function map(fields: readonly string[]): ListedMap {
  const [extra, numaNode, pinned] = fields.slice(6, 9);
  return {
    name: fields[0]!,
    ...sizes(fields.slice(1, 6)),
    extra: extra!,
    numaNode: Number(numaNode),
    pinned: pinned === '1',
  };
}

function loaded(fields: readonly string[], maps: ReadonlyMap<string, number>): LoadedProgram {
  const [flags, functions, lines] = fields.slice(3, 6).map(Number) as [number, number, number];
  const insns = new Uint8Array(Buffer.from(fields[6]!, 'hex'));
  return { name: fields[0]!, flags, functions, lines, insns, maps };
}
