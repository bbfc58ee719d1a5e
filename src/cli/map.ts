/** `bpfvm map`: looks into the maps that a run left in a file, and changes them. */
import type { Command } from 'commander';
import type * as btfFormat from '../btf/format.js';
import type { BpfMap } from '../maps/map.js';
import type { AddCommand } from './main.js';
import type * as mapFile from './map-file.js';
import type { LoadedMaps } from './map-file.js';
import type { CliIo, GlobalOptions } from './output.js';
import { bold, printJson } from './output.js';

interface MapOptions {
  readonly maps: string;
}

const HELP = `
Keys and values are bytes in hex, in memory order, or numbers where the size is 1, 2, 4 or 8 (little-endian). Values
are printed by their types where the object has type information.

  bpfvm map list --maps maps.json
  bpfvm map dump --maps maps.json counters
  bpfvm map lookup --maps maps.json counters 3
  bpfvm map update --maps maps.json counters 3 "2a 00 00 00 00 00 00 00"`;

export const addMap: AddCommand = (program, io) => {
  const map = program
    .command('map')
    .description('list, dump, look up, update and delete in the maps that a run left')
    .addHelpText('after', HELP);
  const add = (name: string, args: string, what: string, action: Action): void => {
    map
      .command(`${name} ${args}`.trim())
      .description(what)
      .requiredOption('--maps <file>', 'file that --save-maps wrote')
      .action(async (...all: unknown[]) => {
        const command = all.at(-1) as Command;
        await run(io, command, all.slice(0, -2) as string[], action);
      });
  };
  add('list', '', 'the maps of the file', list);
  add('dump', '<map>', 'all elements', dump);
  add('lookup', '<map> <key>', 'one element', lookup);
  add('update', '<map> <key> <value>', 'set an element', update);
  add('delete', '<map> <key>', 'remove an element', remove);
};

interface Session {
  readonly io: CliIo;
  readonly loaded: LoadedMaps;
  readonly file: typeof mapFile;
  readonly format: typeof btfFormat;
  readonly global: GlobalOptions;
  /** @throws UsageError */
  map(name: string): BpfMap;
  /** @throws UsageError */
  bytes(text: string, size: number, what: string): Uint8Array;
}

/** Whether the file is to be written anew. */
type Action = (session: Session, args: readonly string[]) => boolean;

async function run(io: CliIo, command: Command, args: readonly string[], action: Action): Promise<void> {
  const { readFileSync, writeFileSync } = await import('node:fs');
  const file = await import('./map-file.js');
  const format = await import('../btf/format.js');
  const { UsageError } = await import('../errors.js');
  const { parseHex, readInput } = await import('./input.js');
  const options = command.opts<MapOptions>();
  const text = Buffer.from(await readInput(io, options.maps)).toString('utf8');
  const loaded = file.loadMaps(text, options.maps);
  const session: Session = {
    io,
    loaded,
    file,
    format,
    global: command.optsWithGlobals<GlobalOptions>(),
    map: (name) => {
      const found = loaded.maps.get(name);
      if (found !== undefined) return found;
      throw new UsageError('ERR_BPF_USAGE_NO_MAP', `${options.maps}: no map "${name}"`, {
        hint: `maps: ${[...loaded.maps.keys()].join(', ') || 'none'}`,
      });
    },
    bytes: (given, size, what) => {
      const bytes = numberBytes(given, size) ?? parseHex(given);
      if (bytes?.length === size) return bytes;
      throw new UsageError('ERR_BPF_USAGE_HEX', `${what} "${given}": ${size} bytes in hex, or a number`);
    },
  };
  if (action(session, args) && options.maps !== '-') {
    const before = readFileSync(options.maps, 'utf8');
    const after = file.saveLoaded(loaded);
    if (after !== before) writeFileSync(options.maps, after);
  }
}

/** A decimal or 0x number as little-endian bytes; undefined where it is none or does not fit. */
function numberBytes(text: string, size: number): Uint8Array | undefined {
  if (![1, 2, 4, 8].includes(size) || !/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) return undefined;
  const value = BigInt(text);
  if (value >= 1n << BigInt(8 * size)) return undefined;
  return Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function list({ io, loaded, file, global }: Session): boolean {
  const maps = [...loaded.maps.values()];
  if (global.json === true) {
    const rows = maps.map(({ name, spec }) => ({ ...spec, name }));
    printJson(io, rows, global);
  } else for (const map of maps) io.out(`${file.describeMap(map)}\n`);
  return false;
}

/** The bytes by their type, or as hex. */
function shown({ loaded, format }: Session, typeId: number | undefined, bytes: Uint8Array): unknown {
  if (loaded.btf === undefined || (typeId ?? 0) === 0) {
    return Array.from(bytes, (byte) => `0x${byte.toString(16).padStart(2, '0')}`);
  }
  try {
    return format.formatValue(loaded.btf, typeId!, bytes);
  } catch {
    // A per-CPU value, or types that do not fit: the bytes say it all.
    return Array.from(bytes, (byte) => `0x${byte.toString(16).padStart(2, '0')}`);
  }
}

function shownValue(session: Session, map: BpfMap, value: Uint8Array): Record<string, unknown> {
  const stride = Math.ceil(map.spec.valueSize / 8) * 8;
  if (value.length === map.spec.valueSize || value.length % stride !== 0) {
    return { value: shown(session, map.spec.valueTypeId, value) };
  }
  const values = Array.from({ length: value.length / stride }, (_, cpu) => ({
    cpu,
    value: shown(session, map.spec.valueTypeId, value.slice(cpu * stride, cpu * stride + map.spec.valueSize)),
  }));
  return { values };
}

function dump(session: Session, [name]: readonly string[]): boolean {
  const { io, file, global } = session;
  const map = session.map(name);
  const elements = [...file.entriesOf(map)].map(([key, value]) => ({
    key: shown(session, map.spec.keyTypeId, key),
    ...shownValue(session, map, value),
  }));
  if (global.json === true) printJson(io, elements, global);
  else {
    for (const element of elements) io.out(`${textOf(element)}\n`);
    io.out(`Found ${elements.length} element${elements.length === 1 ? '' : 's'}\n`);
  }
  return false;
}

function textOf(element: { readonly key: unknown }): string {
  const { key, ...rest } = element;
  const text = (value: unknown): string =>
    JSON.stringify(value, (_name, item: unknown) => (typeof item === 'bigint' ? item.toString() : item));
  const [[, value]] = Object.entries(rest);
  return `${bold('key')} ${text(key)}  ${bold('value')} ${text(value)}`;
}

function lookup(session: Session, [name, key]: readonly string[]): boolean {
  const map = session.map(name);
  const bytes = session.bytes(key, map.spec.keySize, 'key');
  const element = {
    key: shown(session, map.spec.keyTypeId, bytes),
    ...shownValue(session, map, map.lookupElem(bytes)),
  };
  if (session.global.json === true) printJson(session.io, element, session.global);
  else session.io.out(`${textOf(element)}\n`);
  return false;
}

function update(session: Session, [name, key, value]: readonly string[]): boolean {
  const map = session.map(name);
  map.updateElem(
    session.bytes(key, map.spec.keySize, 'key'),
    session.bytes(value, map.spec.valueSize, 'value'),
  );
  return true;
}

function remove(session: Session, [name, key]: readonly string[]): boolean {
  const map = session.map(name);
  map.deleteElem(session.bytes(key, map.spec.keySize, 'key'));
  return true;
}
