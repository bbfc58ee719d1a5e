import { expect, it } from 'vitest';
import { describeCorpus, describeLive, runDriver } from './lib/corpus.js';

describeCorpus('the compiled selftests', (corpus) => {
  it('are at least 780 little-endian 64-bit BPF objects', () => {
    expect(corpus.names.length).toBeGreaterThanOrEqual(780);
    for (const name of corpus.names) {
      const header = corpus.read(name).subarray(0, 20);
      expect([name, ...header.subarray(0, 6), header[18]! | (header[19]! << 8)]).toEqual([
        name,
        0x7f,
        0x45,
        0x4c,
        0x46,
        2,
        1,
        247,
      ]);
    }
  });

  it('include every object that sockmap tests use', () => {
    const wanted = [
      'sockmap_parse_prog',
      'sockmap_verdict_prog',
      'sockmap_tcp_msg_prog',
      'test_sockmap_kern',
    ];
    expect(corpus.names).toEqual(expect.arrayContaining(wanted));
  });
});

describeLive('the running kernel', () => {
  it('lets the driver create a sockmap', async () => {
    expect(await runDriver('probe')).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});
