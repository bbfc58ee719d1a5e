import { describe, expect, it } from 'vitest';
import { kfuncById, kfuncByName, KFUNCS } from '../../../src/helpers/kfuncs.js';

describe('kfunc table', () => {
  it('has every name once, each under its id', () => {
    expect(new Set(KFUNCS.map(({ name }) => name)).size).toBe(KFUNCS.length);
    for (const entry of KFUNCS) expect(kfuncById(entry.id)).toBe(entry);
  });

  it('reads declarations', () => {
    const next = kfuncByName('bpf_iter_num_next')!;
    expect(next.result).toEqual({ base: 'int', pointer: true, size: 8, signed: false });
    expect(next.params).toEqual([
      { name: 'it', type: { base: 'struct bpf_iter_num', pointer: true, size: 8, signed: false } },
    ]);
    expect(kfuncByName('bpf_dynptr_from_skb')!.args.map(({ abi }) => abi)).toEqual(['u32', 'u64', 'u32']);
    expect(kfuncByName('bpf_rcu_read_lock')!.ret.abi).toBe('void');
  });
});
