/** Files given on the command line, read and loaded, with errors that name them. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { BpfVm } from '../bpf-vm.js';
import { Btf } from '../btf/btf.js';
import { CoreTarget } from '../btf/core.js';
import type { ObjectSpec } from '../elf/object-spec.js';
import { readObject } from '../elf/read-object.js';
import { BpfError, UsageError } from '../errors.js';
import type { BpfObject, LoadOptions } from '../object.js';

/** Reads a whole file, `-` is stdin. @throws UsageError where it cannot be read. */
export function readFile(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file === '-' ? 0 : file));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError('ERR_BPF_USAGE_FILE', `${file}: cannot be read: ${code ?? message}`, {
      cause: error,
    });
  }
}

/** Reads and parses an object file. Its name in messages is the file's name without folders. */
export function readObjectFile(file: string): ObjectSpec {
  return readObject(readFile(file), path.basename(file));
}

const KERNEL_BTF = '/sys/kernel/btf/vmlinux';

/**
 * Types to relocate against, where the object needs some: the file given, or those of the running kernel. Undefined
 * where neither exists.
 */
export function coreTarget(specs: readonly ObjectSpec[], file: string | undefined): CoreTarget | undefined {
  if (
    file === undefined &&
    !specs.some((spec) => spec.programs.some((program) => program.coreRelos.length > 0))
  ) {
    return undefined;
  }
  if (file !== undefined) return new CoreTarget(Btf.parse(readFile(file), path.basename(file)));
  try {
    return new CoreTarget(Btf.parse(new Uint8Array(readFileSync(KERNEL_BTF)), 'vmlinux'));
  } catch (error) {
    if (error instanceof BpfError) throw error;
    return undefined;
  }
}

/** Loads into `vm`; `optionsFor` gives the options of one object. */
export function loadObjects(
  vm: BpfVm,
  specs: readonly ObjectSpec[],
  target: CoreTarget | undefined,
  optionsFor: (spec: ObjectSpec) => LoadOptions,
): BpfObject[] {
  return specs.map((spec) =>
    vm.load(spec, { ...(target === undefined ? {} : { target }), ...optionsFor(spec) }),
  );
}
