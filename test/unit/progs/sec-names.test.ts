import { describe, expect, it } from 'vitest';
import { attachTypeName, progTypeName } from '../../../src/progs/prog-types.js';
import { ProgFlag, lookupSecName, secNames } from '../../../src/progs/sec-names.js';

describe('SEC() names', () => {
  it.each([
    ['sk_skb', 'sk_skb', 'cgroup_inet_ingress'],
    ['sk_skb/stream_parser', 'sk_skb', 'sk_skb_stream_parser'],
    ['sk_skb/verdict', 'sk_skb', 'sk_skb_verdict'],
    ['sk_msg', 'sk_msg', 'sk_msg_verdict'],
    ['?sockops', 'sock_ops', 'cgroup_sock_ops'],
    ['tc/egress', 'sched_cls', 'tcx_egress'],
    ['cgroup/connect_unix', 'cgroup_sock_addr', 'cgroup_unix_connect'],
    ['xdp.frags/devmap', 'xdp', 'xdp_devmap'],
    ['lsm.s/file_open', 'lsm', 'lsm_mac'],
    ['kprobe.multi/', 'kprobe', 'trace_kprobe_multi'],
    ['raw_tp', 'raw_tracepoint', 'cgroup_inet_ingress'],
  ])('%s is a program of type %s, attached as %s', (section, progType, attachType) => {
    const found = lookupSecName(section)!;
    expect([progTypeName(found.progType), attachTypeName(found.attachType)]).toEqual([progType, attachType]);
  });

  it.each(['sk_skb1', 'sk_skb/other', 'xdp/foo', 'sk_msg/', 'socket1', '', '/', 'unknown/kprobe'])(
    '"%s" says nothing',
    (section) => {
      expect(lookupSecName(section)).toBeUndefined();
    },
  );

  it('gives what follows the first slash as the target', () => {
    expect(lookupSecName('uprobe//usr/bin/x:f')!.target).toBe('/usr/bin/x:f');
  });

  it('knows which names imply load flags', () => {
    expect(lookupSecName('fentry.s/f')!.flags).toBe(ProgFlag.SLEEPABLE);
    expect(lookupSecName('xdp.frags')!.flags).toBe(ProgFlag.XDP_HAS_FRAGS);
    expect(lookupSecName('xdp')!.flags).toBe(0);
  });

  it('lists no name twice', () => {
    expect(new Set(secNames()).size).toBe(secNames().length);
  });
});
