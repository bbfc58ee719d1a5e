import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BpfMap, EngineName, LoadOptions } from '../../src/browser.js';
import { BpfVm, u32 } from '../../src/browser.js';

const file = readFileSync('test/programs/globals.bpf.o');
const KCONFIG = { CONFIG_HZ: 250 };

describe.each<EngineName>(['interpreter', 'wasm'])('a loaded object, %s', (engine) => {
  const load = (options: LoadOptions = {}) =>
    new BpfVm({ engine }).load(file, { name: 'globals.bpf.o', kconfig: KCONFIG, ...options });

  it('has its globals where programs and callers see the same', () => {
    const object = load();
    expect(object.program('add').runAt(0)).toBe(41);
    expect(object.getGlobal('counter')).toBe(41n);
    object.setGlobal('counter', 100n);
    expect(object.program('add').runAt(0)).toBe(101);
    expect(object.getGlobal('text')).toEqual(Uint8Array.from(Buffer.from('abc\0\0\0\0\0')));
  });

  it('takes read-only variables at load and not later', () => {
    const object = load({ globals: { step: 5, counter: 0n } });
    expect(object.program('add').runAt(0)).toBe(5);
    expect(() => {
      object.setGlobal('step', 2);
    }).toThrow(/EPERM/);
  });

  it('gives programs the kernel-config values of the caller, and 0 for weak ones', () => {
    const object = load();
    object.program('add').runAt(0);
    expect(object.getGlobal('small')).toBe(250);
  });

  it('fills the slots of maps of maps', () => {
    const object = load();
    object.program('add').runAt(0);
    expect(new DataView(object.map('inner_a').lookupElem(u32(0)).buffer).getUint32(0, true)).toBe(0x060c00);
  });

  it('fills the slots of program arrays, so that a tail call arrives', () => {
    expect(load().program('jump').runAt(0)).toBe(77);
  });

  it('leaves slots of programs that are not loaded empty', () => {
    expect(
      load({ programs: ['jump'] })
        .program('jump')
        .runAt(0),
    ).toBe(1);
  });
});

describe('a map of the caller in the place of one of the object', () => {
  const redirect = readFileSync('examples/redirect.bpf.o');
  const bss = 'redirect.bss';
  const load = (vm: BpfVm, name: string, map: BpfMap) =>
    vm.load(redirect, { name: 'redirect.bpf.o', maps: { [name]: map } });

  it('is used by the programs', () => {
    const vm = new BpfVm();
    const map = vm.createMap({ type: 'sockmap', maxEntries: 5 });
    expect(load(vm, 'sock_map', map).map('sock_map')).toBe(map);
    const larger = vm.createMap({ type: 'array', valueSize: 64, maxEntries: 1 });
    expect(load(vm, bss, larger).map(bss)).toBe(larger);
  });

  it('is verified as it is, not as the object declares it', () => {
    const vm = new BpfVm();
    const array = vm.createMap({ type: 'array', maxEntries: 5 });
    expect(() => load(vm, 'sock_map', array)).toThrow(/cannot pass map_type 2 into func bpf_sk_redirect_map/);
    const small = vm.createMap({ type: 'array', valueSize: 12, maxEntries: 1 });
    expect(() => load(vm, bss, small)).toThrow(/outside of the allowed memory range/);
    const hash = vm.createMap({ type: 'hash', valueSize: 64, maxEntries: 1 });
    expect(() => load(vm, bss, hash)).toThrow(/no direct value access support for this map type/);
    const many = vm.createMap({ type: 'array', valueSize: 64, maxEntries: 2 });
    expect(() => load(vm, bss, many)).toThrow(/invalid access to map value pointer, value_size=64 off=/);
    expect([...vm.maps]).toEqual([array, small, hash, many]);
  });

  it('must be one of the same VM', () => {
    const map = new BpfVm().createMap({ type: 'sockmap', maxEntries: 5 });
    expect(() => load(new BpfVm(), 'sock_map', map)).toThrow(/no map of this VM: EINVAL/);
    expect(() => load(new BpfVm(), 'sock_map', {} as BpfMap)).toThrow(/no map of this VM: EINVAL/);
  });
});

describe('callers that types do not keep', () => {
  const loadWith = (options: LoadOptions) => new BpfVm().load(file, { kconfig: KCONFIG, ...options });
  it.each<[string, () => unknown, string]>([
    ['no bytes', () => new BpfVm().load(new ArrayBuffer(8) as unknown as Uint8Array), 'ERR_BPF_USAGE_OBJECT'],
    ['the name of a file', () => new BpfVm().load('x.o' as unknown as Uint8Array), 'ERR_BPF_USAGE_OBJECT'],
    ['half a number', () => loadWith({ globals: { counter: 1.5 } }), 'ERR_BPF_USAGE_GLOBAL_VALUE'],
    [
      'text for a number',
      () => loadWith({ globals: { counter: 'x' as never } }),
      'ERR_BPF_USAGE_GLOBAL_VALUE',
    ],
    ['no CPU', () => new BpfVm({ cpus: 0 }), 'ERR_BPF_USAGE_OPTION'],
    ['half a CPU', () => new BpfVm({ cpus: 1.5 }), 'ERR_BPF_USAGE_OPTION'],
    ['no memory', () => new BpfVm({ maxMemory: 10 }), 'ERR_BPF_USAGE_OPTION'],
    ['an unknown engine', () => new BpfVm({ engine: 'nosuch' as EngineName }), 'ERR_BPF_USAGE_OPTION'],
  ])('%s is refused with a code', (_what, call, code) => {
    expect(call).toThrow(expect.objectContaining({ code }) as Error);
  });
});

describe('creating a map', () => {
  it.each([-1, 1.5, NaN, 2 ** 32])('refuses %s entries', (maxEntries) => {
    expect(() => new BpfVm().createMap({ type: 'hash', maxEntries })).toThrow(/EINVAL/);
  });
});

describe('loading refuses', () => {
  it.each<[string, LoadOptions, string]>([
    ['a kernel-config value that nobody gives', {}, 'CONFIG_HZ is not given'],
    [
      'a variable that is not there',
      { kconfig: KCONFIG, globals: { nosuch: 1 } },
      'no global variable "nosuch"',
    ],
    [
      'a program that is not there',
      { kconfig: KCONFIG, programs: ['nosuch'] },
      'programs: target, add, jump',
    ],
    [
      'too many bytes for a variable',
      { kconfig: KCONFIG, globals: { text: new Uint8Array(9) } },
      'has 8 bytes',
    ],
  ])('%s, and leaves nothing in the VM', (_what, options, text) => {
    const vm = new BpfVm();
    expect(() => vm.load(file, { name: 'globals.bpf.o', ...options })).toThrow(text);
    expect([...vm.maps]).toEqual([]);
  });
});
