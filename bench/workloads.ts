/** The seven workloads: their names are those of bench/programs/NAME.bpf.c, of its program, and of its function. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository: two levels above dist/bench. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

export interface Workload {
  readonly name: string;
  readonly what: string;
  /** Result of the first run, signed. */
  readonly result: number;
  /** Instructions of a run, a lddw counted once. */
  readonly insns: number;
}

export const WORKLOADS: readonly Workload[] = [
  { name: 'alu64', what: '64-bit hash loop', result: 651561277, insns: 187015 },
  { name: 'alu32', what: '32-bit checksum loop', result: 5265893, insns: 41871 },
  { name: 'mem', what: 'byte parsing and a sort', result: -312419508, insns: 14646 },
  { name: 'div64', what: '64-bit division', result: 1294772576, insns: 34974 },
  { name: 'filter', what: 'Ethernet, IPv4, TCP to a verdict', result: 100, insns: 48 },
  { name: 'calls', what: '254 calls of functions', result: -109552253, insns: 3059 },
  { name: 'helper', what: '500 array map lookups', result: -1726809794, insns: 10019 },
];

/** Ethernet, IPv4 to 192.168.1.7, TCP to port 80 with ACK alone. */
const HEADERS = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 8, 0],
  [0x45, 0, 0, 184, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 192, 168, 1, 7],
  [0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0],
].flat();

const NUMBERS =
  '7349 12 88 5 61023 417 990 3 25 1200 77 8 31 4096 65 2 19999 404 13 555 91 6 42 808 1023 17 300 9 71 64000 28 1 ';
const PAYLOAD_SIZE = 144;

/** What every workload gets: the payload is a list of decimal numbers. */
export function benchPacket(): Uint8Array {
  const packet = new Uint8Array(HEADERS.length + PAYLOAD_SIZE);
  packet.set(HEADERS);
  packet.set(new TextEncoder().encode(NUMBERS.padEnd(PAYLOAD_SIZE, '0 ')), HEADERS.length);
  return packet;
}

export function readWorkload(name: string): Uint8Array {
  return new Uint8Array(readFileSync(path.join(root, 'bench/programs', `${name}.bpf.o`)));
}
