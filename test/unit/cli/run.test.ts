import { describe, expect, it } from 'vitest';
import { bpfvm } from '../../lib/fake-io.js';
import type { RunReport } from '../../../src/cli/run-report.js';

async function report(...argv: string[]): Promise<RunReport> {
  const { code, out, err } = await bpfvm(['run', ...argv, '--json']);
  expect(code, err).toBe(0);
  return JSON.parse(out) as RunReport;
}

const arrivals = (run: RunReport): string[] =>
  run.sends.flatMap((send) =>
    send.arrived.length === 0
      ? [`${send.from}: ${send.error ?? 'nothing'}`]
      : send.arrived.map((arrival) => `${send.from} -> ${arrival.at}: ${arrival.text}`),
  );

describe.each(['interpreter', 'wasm', 'auto'])('bpfvm run --engine %s', (engine) => {
  const run = (file: string, ...argv: string[]): Promise<RunReport> =>
    report(`examples/${file}.bpf.o`, '--engine', engine, ...argv);

  it('redirects what arrives on port 10000 to the socket at key 1, and passes the rest', async () => {
    const result = await run('redirect', '--map', 'sockmap', '--send', '0=one', '--send', '1=two');
    expect(arrivals(result)).toEqual(['peer of 0 -> peer of 1: "one"', 'peer of 1 -> socket 1: "two"']);
    expect(result.globals).toEqual({ redirected: '3', passed: '3' });
    expect(result.printk).toEqual(['3 bytes on port 10000 go to key 1']);
  });

  it('names the object of a variable that several objects have', async () => {
    const result = await run('redirect', 'examples/redirect.bpf.o', '--send', '0=one');
    expect(result.globals).toEqual({
      'redirect.bpf.o:redirected': '3',
      'redirect.bpf.o:passed': '0',
      'redirect.bpf.o#2:redirected': '0',
      'redirect.bpf.o#2:passed': '0',
    });
  });

  it('finds sockets by addresses and ports in a sockhash', async () => {
    const result = await run('sockhash', '--send', '1=echo');
    expect(arrivals(result)).toEqual(['peer of 1 -> peer of 1: "echo"']);
  });

  it('moves messages to the receive queue of another socket', async () => {
    const result = await run('msg-redirect', '--send', '0=hi');
    expect(arrivals(result)).toEqual(['socket 0 -> socket 1: "hi"']);
  });

  it('holds an incomplete record back until its rest is sent', async () => {
    const result = await run('apply-cork', '--send', '0=\x05ab', '--send', '0=cde');
    expect(arrivals(result)).toEqual(['socket 0: nothing', 'socket 0 -> peer of 0: 056162636465']);
  });

  it('judges each of several records in one send', async () => {
    const result = await run('apply-cork', '--send', '0=\x01a\x01b\x01c');
    expect(arrivals(result)).toEqual(['socket 0 -> peer of 0: 016101620163']);
    expect(result.globals).toEqual({ records: '3', dropped: '0' });
  });
});

describe('bpfvm run refuses', () => {
  it.each([
    ['a map that is not there', ['--map', 'nosuch'], 2, 'maps: sock_map (sockmap)'],
    ['a map that holds no sockets', ['--map', 'redirect.bss'], 2, 'redirect.bss has type array'],
    ['a program that is not there', ['--prog', 'nosuch'], 2, 'programs: parser, verdict'],
    ['an attachment without a type', ['--attach', 'parser'], 2, 'the form is'],
    ['an unknown attach type', ['--attach', 'parser=nonsense'], 2, 'types: sk_skb_stream_parser'],
    [
      'two programs for one slot',
      ['--attach', 'parser=stream_verdict', '--attach', 'verdict=stream_verdict'],
      2,
      'parser and verdict at map sock_map',
    ],
    ['a key beyond the sockets', ['--send', '7=x'], 2, 'a key from 0 to 1'],
    ['a field of a key that is not there', ['--key', 'constructor'], 2, 'fields are index'],
    ['statistics without connections', ['--stats', 'json'], 2, '--stats has no effect here'],
    ['text for real sockets', ['--listen', '0=127.0.0.1:0', '--send', '0=x'], 2, '--send has no effect here'],
    ['an engine that is not there', ['--engine', 'nosuch'], 2, 'interpreter'],
  ])('%s', async (_what, argv, code, text) => {
    const result = await bpfvm(['run', 'examples/redirect.bpf.o', ...argv]);
    expect(result.code).toBe(code);
    expect(result.err).toContain(text);
    expect(result.out).toBe('');
  });
});
