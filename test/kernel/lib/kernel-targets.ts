/** What the running kernel has, for resolving externs and CO-RE as libbpf does on this machine. */
import { readFileSync } from 'node:fs';
import { Btf } from '../../../src/btf/btf.js';
import { CoreTarget } from '../../../src/btf/core.js';
import { essentialName, typesCompatible } from '../../../src/btf/core-match.js';
import { BtfKind } from '../../../src/btf/types.js';
import type { ExternSpec } from '../../../src/elf/object-spec.js';
import type { ResolvedExtern } from '../../../src/elf/relocate.js';

export interface KernelTargets {
  readonly core: CoreTarget;
  /** @param local the types of the object. */
  extern(extern: ExternSpec, local: Btf | undefined): ResolvedExtern | undefined;
}

export function kernelTargets(): KernelTargets {
  const btf = Btf.parse(new Uint8Array(readFileSync('/sys/kernel/btf/vmlinux')), 'vmlinux');
  const symbols = new Map<string, bigint>();
  for (const line of readFileSync('/proc/kallsyms', 'utf8').split('\n')) {
    const [address, , name] = line.split(/\s/);
    if (name !== undefined && !symbols.has(name)) symbols.set(name, BigInt(`0x${address}`));
  }
  return { core: new CoreTarget(btf), extern: (extern, local) => resolve(btf, symbols, extern, local) };
}

function resolve(
  btf: Btf,
  symbols: ReadonlyMap<string, bigint>,
  extern: ExternSpec,
  local: Btf | undefined,
): ResolvedExtern | undefined {
  if (extern.kind === 'kfunc') {
    const type = btf.find(essentialName(extern.name), BtfKind.Func);
    if (type?.kind !== BtfKind.Func || local === undefined) return undefined;
    const same = typesCompatible({ btf: local, id: extern.typeId }, { btf, id: type.type });
    return same ? { btfId: type.id } : undefined;
  }
  if (extern.typeId === 0) {
    const address = symbols.get(extern.name);
    return address === undefined ? undefined : { address };
  }
  const type = btf.find(extern.name, BtfKind.Var);
  return type === undefined ? undefined : { btfId: type.id };
}
