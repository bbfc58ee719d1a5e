/** Faults of memory accesses, classified in one place for every engine. */
import { BpfFault } from '../errors.js';
import type { FaultInfo, FaultKind } from '../errors.js';
import type { BpfMemory, Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import type { ProgramImage } from './engine.js';

export type Access = 'read' | 'write' | 'atomic';

const NULL_PAGE = 4096n;
const ADDRESS_LIMIT = 0x8000_0000n;
/** An access this far below a program's stack counts as an overflow of the stack. */
const STACK_GUARD = 512;

/** The region that allows an access, or why there is none. */
export function checkAccess(
  memory: BpfMemory,
  address: number,
  size: number,
  access: Access,
): Region | FaultKind {
  const region = memory.find(address);
  if (region === undefined) return address < Number(NULL_PAGE) ? 'null-pointer' : 'bad-address';
  if (address + size > region.base + region.size || region.kind === RegionKind.Handle) return 'bad-address';
  return access !== 'read' && !region.writable ? 'read-only' : region;
}

export interface MemoryAccess {
  readonly pc: number;
  /** 64 bits, unsigned. */
  readonly address: bigint;
  readonly size: number;
  readonly access: Access;
  /** The stack of the executable. */
  readonly stack: Region;
  readonly registers?: readonly bigint[];
}

/** The fault of an access that `checkAccess` refuses, or whose address has more than 31 bits. */
export function memoryFault(image: ProgramImage, memory: BpfMemory, at: MemoryAccess): BpfFault {
  const isFar = at.address >= ADDRESS_LIMIT;
  const address = Number(at.address & 0x7fff_ffffn);
  const found = isFar ? 'bad-address' : checkAccess(memory, address, at.size, at.access);
  let kind: FaultKind = typeof found === 'string' ? found : 'bad-address';
  if (!isFar && kind === 'bad-address' && address < at.stack.base && address >= at.stack.base - STACK_GUARD) {
    if (memory.find(address) === undefined) kind = 'stack-overflow';
  }
  return programFault(image, {
    kind,
    pc: at.pc,
    address: at.address,
    size: at.size,
    access: at.access,
    ...(isFar ? {} : { region: memory.describe(address) }),
    ...(at.registers === undefined ? {} : { registers: at.registers }),
  });
}

/** A fault with the program's name and source line filled in. */
export function programFault(image: ProgramImage, info: Omit<FaultInfo, 'program' | 'sourceLine'>): BpfFault {
  const sourceLine = image.sourceLine?.(info.pc);
  return new BpfFault({
    ...info,
    program: image.name,
    ...(sourceLine === undefined ? {} : { sourceLine }),
  });
}
