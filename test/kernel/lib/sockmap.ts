/** What the tests on the kernel's sockmap selftest objects share. */
import type { BpfMap, BpfObject, LoadOptions } from '../../../src/index.js';
import { BpfVm, SockMapBase } from '../../../src/index.js';
import type { NetSock } from '../../../src/net/sock.js';
import type { Corpus } from './corpus.js';
import { describeCorpus } from './corpus.js';

export const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
export const asU32 = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** `size` bytes that count up from `first`. */
export const pattern = (size: number, first = 0): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => first + index);

export const VERDICT = { DROP: 0, PASS: 1 } as const;

/** Loads selftest objects into VMs of one engine. */
export class Loader {
  private readonly corpus: Corpus;
  private readonly engine: 'interpreter' | 'wasm';

  constructor(corpus: Corpus, engine: 'interpreter' | 'wasm') {
    this.corpus = corpus;
    this.engine = engine;
  }

  newVm(): BpfVm {
    return new BpfVm({ engine: this.engine });
  }

  /** Loads one object, into a new VM where none is given. */
  load(name: string, options: LoadOptions = {}, vm = this.newVm()): { vm: BpfVm; object: BpfObject } {
    return { vm, object: vm.load(this.corpus.read(name), { ...options, name: `${name}.bpf.o` }) };
  }
}

/** A suite on selftest objects, once for each engine. */
export function describeEngines(name: string, body: (loader: Loader) => void): void {
  for (const engine of ['interpreter', 'wasm'] as const) {
    describeCorpus(`${name} (${engine})`, (corpus) => body(new Loader(corpus, engine)));
  }
}

export function sockMap(object: BpfObject, name: string): SockMapBase {
  const map = object.map(name);
  if (map instanceof SockMapBase) return map;
  throw new Error(`${name} holds no sockets`);
}

/** One array of bytes, a plain Uint8Array whatever the parts are. */
export const join = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** Everything that can be read now, however many reads it takes. */
export function drain(sock: NetSock): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let got = sock.recv(1 << 20); got instanceof Uint8Array && got.length > 0; got = sock.recv(1 << 20)) {
    parts.push(got);
  }
  return join(parts);
}

/** Element `index` of an array map of 32-bit values. */
export const element = (map: BpfMap, index: number): number => asU32(map.lookupElem(u32(index)));

export const setElement = (map: BpfMap, index: number, value: number): void =>
  map.updateElem(u32(index), u32(value));

/** A place in the value of a data section's map. */
function globalAt(object: BpfObject, name: string): { map: BpfMap; offset: number; size: number } {
  const found = object.spec.globals.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`${object.name}: no variable ${name}`);
  return { map: object.map(found.map), offset: found.offset, size: found.size };
}

/** A global variable of up to 4 bytes. */
export function getGlobal(object: BpfObject, name: string): number {
  const { map, offset, size } = globalAt(object, name);
  return map
    .lookupElem(u32(0))
    .subarray(offset, offset + size)
    .reduceRight((value, byte) => value * 256 + byte, 0);
}

export function setGlobal(object: BpfObject, name: string, value: number): void {
  const { map, offset, size } = globalAt(object, name);
  const bytes = map.lookupElem(u32(0));
  bytes.set(u32(value).subarray(0, size), offset);
  map.updateElem(u32(0), bytes);
}
