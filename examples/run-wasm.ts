/**
 * Runs a module that `bpfvm build` made, with nothing but WebAssembly: no bpfvm, no dependency.
 *
 *     npm run build
 *     node dist/bin/bpfvm.js build examples/count-ports.bpf.o --prog count_ports -o count-ports.wasm
 *     node dist/examples/run-wasm.js count-ports.wasm
 */
import { readFileSync } from 'node:fs';

interface Info {
  readonly program: string;
  readonly heapBase: number;
  readonly maps: readonly {
    readonly name: string;
    readonly values?: { readonly base: number; readonly stride: number };
  }[];
}

/** Of `struct xdp_md`: the offsets of data and data_end. */
const DATA = 0;
const DATA_END = 4;
const XDP_MD_SIZE = 24;

const module = new WebAssembly.Module(readFileSync(process.argv[2] ?? 'count-ports.wasm'));
const [section] = WebAssembly.Module.customSections(module, 'bpfvm');
const info = JSON.parse(new TextDecoder().decode(section)) as Info;

const memory = new WebAssembly.Memory({ initial: 16 });
const view = new DataView(memory.buffer);
const ctx = info.heapBase;
const packet = ctx + 64;
const regions = [
  { base: ctx, size: XDP_MD_SIZE, writable: false },
  { base: packet, size: 1500, writable: true },
];

/** The program asks where it does not know the region itself: may it access `kind & 255` bytes at `low`? */
function check(low: number, high: number, kind: number): number {
  const size = kind & 255;
  const isIn = ({ base, size: all, writable }: (typeof regions)[number]): boolean =>
    low >= base && low + size <= base + all && (kind <= 255 || writable);
  return high === 0 && regions.some(isIn) ? 1 : 0;
}

const { exports } = new WebAssembly.Instance(module, {
  bpfvm: {
    memory,
    check,
    load_packet: () => 0,
    resume: (_frame: number, pc: number) => {
      throw new Error(`${info.program} faults at instruction ${pc & 0xff_ffff}`);
    },
  },
});
const run = exports['run'] as (ctx: number) => number;

/** An Ethernet frame with an IPv4 header and TCP ports. */
function tcpTo(port: number): Uint8Array {
  const frame = new Uint8Array(60);
  frame.set([0x08, 0x00, 0x45], 12);
  frame[23] = 6;
  frame.set([port >> 8, port & 0xff], 36);
  return frame;
}

const VERDICTS = ['aborted', 'drop', 'pass', 'tx', 'redirect'];
for (const port of [80, 443, 80, 23, 80]) {
  const frame = tcpTo(port);
  new Uint8Array(memory.buffer).set(frame, packet);
  view.setUint32(ctx + DATA, packet, true);
  view.setUint32(ctx + DATA_END, packet + frame.length, true);
  console.log(`port ${port}: ${VERDICTS[run(ctx)]}`);
}

const values = info.maps.find(({ name }) => name === 'packets')!.values!;
for (const port of [23, 80, 443]) {
  console.log(`packets to port ${port}: ${view.getBigUint64(values.base + port * values.stride, true)}`);
}
