// Random operations on maps against a model, and a ring buffer with a slow consumer: node scripts/soak-maps.mjs [count] [seed].
// Needs `npm run build`. Ends with 1 where a result differs or the VM's memory grows after the first tenth.
import { fileURLToPath, pathToFileURL } from 'node:url';
import path from 'node:path';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const load = (file) => import(pathToFileURL(path.join(root, 'dist/src', file)).href);
const { BpfVm } = await load('bpf-vm.js');

const count = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Date.now() % 0x7fff_ffff) | 1;
console.log(`${count} operations, seed ${seed}`);

let state = seed;
const random = (below) => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
};

const vm = new BpfVm();
const hash = vm.createMap({ type: 'hash', name: 'soak', keySize: 4, valueSize: 8, maxEntries: 5000 });
const ring = vm.createMap({ type: 'ringbuf', name: 'ring', keySize: 0, valueSize: 0, maxEntries: 65536 });
const model = new Map();
const { memory } = vm;
const at = memory.alloc(16, 1).base;
let used = 0;
let sent = 0;
let received = 0;

function fail(step, what) {
  console.error(`step ${step}: ${what} (seed ${seed})`);
  process.exit(1);
}

for (let step = 0; step < count; step++) {
  const key = random(8000);
  memory.u32[at >> 2] = key;
  const what = random(10);
  if (what < 4) {
    memory.u32[(at + 8) >> 2] = step;
    const fits = model.has(key) || model.size < 5000;
    if ((hash.update(at, at + 8, 0) === 0) !== fits) fail(step, `update of ${key}`);
    if (fits) model.set(key, step);
  } else if (what < 7) {
    if ((hash.delete(at) === 0) !== model.delete(key)) fail(step, `delete of ${key}`);
  } else if (what < 9) {
    const found = hash.lookup(at);
    if ((found === 0 ? undefined : memory.u32[found >> 2]) !== model.get(key)) fail(step, `lookup of ${key}`);
  } else {
    if (ring.output(at, 8 + random(8), 0) === 0) sent++;
    if (random(50) === 0) received += ring.consume(() => undefined, random(200));
  }
  if (step === Math.floor(count / 10)) used = memory.usedBytes;
}
received += ring.consume(() => undefined);
if (sent !== received) fail(count, `${sent} records sent, ${received} received`);
if (memory.usedBytes !== used) fail(count, `memory grew from ${used} to ${memory.usedBytes} bytes`);
console.log(`${model.size} elements, ${received} records, ${memory.usedBytes} bytes: no difference`);
