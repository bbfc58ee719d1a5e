/**
 * Creates a sockmap, attaches a parser and a verdict program, inserts a socket, and reports each failure: the
 * user-space side of a sockmap program, in libbpf's steps.
 *
 *     npm run build && node dist/examples/sample-sockmap.js [OBJECT]
 */
import { readFileSync } from 'node:fs';
import type { BpfMap, BpfProgram, TcpSock } from 'bpfvm';
import { AttachType, BPF_NOEXIST, BpfError, BpfVm, u32 } from 'bpfvm';

const KEY = u32(0);

/** Runs one step; a failure is said and ends the sample. */
function step<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    console.error(`failed to ${what}: ${error.message}`);
    process.exit(1);
  }
}

function createSampleSockmap(vm: BpfVm, sock: TcpSock, parser: BpfProgram, verdict: BpfProgram): BpfMap {
  const map = step('create sockmap', () =>
    vm.createMap({ type: 'sockmap', name: 'sample', keySize: 4, valueSize: 8, maxEntries: 1 }),
  );
  step('attach parser to map', () => parser.attach(map, AttachType.SkSkbStreamParser));
  step('attach verdict to map', () => verdict.attach(map, AttachType.SkSkbStreamVerdict));
  step('update sockmap', () => map.updateSock(KEY, sock, BPF_NOEXIST));
  return map;
}

const file = process.argv[2] ?? new URL('../../examples/redirect.bpf.o', import.meta.url);
const vm = new BpfVm({ onPrintk: (line) => console.error(line) });
const object = step('load object', () => vm.load(readFileSync(file), { name: String(file) }));
const [client, server] = vm.net.tcpPair();

const map = createSampleSockmap(vm, server, object.program('parser'), object.program('verdict'));
client.send(new TextEncoder().encode('hello'));
const got = server.recv(64);
console.log('received:', typeof got === 'number' ? `errno ${-got}` : new TextDecoder().decode(got));

const cookie = new DataView(map.lookupElem(KEY).buffer).getBigUint64(0, true);
console.log('cookie:', cookie, cookie === server.cookie ? '(the socket)' : '(another socket)');
step('delete the socket', () => map.deleteElem(KEY));
