import { describe, expect, it } from 'vitest';
import { HELPERS, helperById, helperByName, helpersFor } from '../../../src/helpers/registry.js';
import { ProgType } from '../../../src/progs/prog-types.js';

describe('helper table', () => {
  it('names every id once per program type', () => {
    for (const helper of HELPERS) {
      for (const other of HELPERS) {
        if (other === helper || other.id !== helper.id) continue;
        expect(other.name).toBe(helper.name);
        const types = helper.progTypes === 'all' ? [] : helper.progTypes;
        expect(types.filter((type) => other.progTypes !== 'all' && other.progTypes.includes(type))).toEqual(
          [],
        );
      }
    }
  });

  it.each([
    ['bpf_map_lookup_elem', ProgType.Xdp, true],
    ['bpf_xdp_adjust_head', ProgType.SchedCls, false],
    ['bpf_skb_pull_data', ProgType.SkSkb, true],
    ['bpf_skb_pull_data', ProgType.SocketFilter, false],
    ['bpf_skb_load_bytes', ProgType.SocketFilter, true],
    ['bpf_sock_ops_cb_flags_set', ProgType.SockOps, true],
  ])('%s in type %i: %s', (name, type, allowed) => {
    const helper = helperByName(name, type);
    expect(helper !== undefined).toBe(allowed);
    expect(helpersFor(type).has(helperByName(name)!.id)).toBe(allowed);
  });

  it('gives the prototype of the program type', () => {
    expect(helperById(49, ProgType.SockOps)!.args[0].base).toBe('ctx');
    expect(helperById(49, ProgType.CgroupSockopt)!.args[0].base).toBe('btf_id_sock_common');
  });
});
