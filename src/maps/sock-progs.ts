/** The programs of a socket map: four slots, each with at most one program and one link. */
import { AttachError, Errno } from '../errors.js';
import type { SockProgram } from './sock.js';

export type SockSlot = 'msgVerdict' | 'streamParser' | 'streamVerdict' | 'skbVerdict';

export const SOCK_SLOTS: readonly SockSlot[] = ['msgVerdict', 'streamParser', 'streamVerdict', 'skbVerdict'];

/** A stream verdict and an skb verdict exclude each other, for queries and detachment too. */
const EXCLUDES: Readonly<Partial<Record<SockSlot, SockSlot>>> = {
  streamVerdict: 'skbVerdict',
  skbVerdict: 'streamVerdict',
};

function fail(errno: number, what: string, hint: string): AttachError {
  return new AttachError('ERR_BPF_ATTACH', errno, what, { hint });
}

/** A link: it holds a program in a slot until it is detached. */
export interface SockMapLink {
  readonly slot: SockSlot;
  readonly program: SockProgram;
  /** @throws AttachError EPERM, EINVAL, ENOLINK or EBUSY. */
  update(program: SockProgram, old?: SockProgram): void;
  /** Empties the slot; again does nothing. */
  detach(): void;
}

export class SockProgs {
  msgVerdict: SockProgram | null = null;
  streamParser: SockProgram | null = null;
  streamVerdict: SockProgram | null = null;
  skbVerdict: SockProgram | null = null;
  private readonly links = new Map<SockSlot, Link>();
  private readonly mapName: string;

  constructor(mapName: string) {
    this.mapName = mapName;
  }

  /** BPF_PROG_ATTACH: replaces what was attached. @throws AttachError EBUSY. */
  attach(slot: SockSlot, program: SockProgram): void {
    this.assertFree(slot, 'attach');
    this[slot] = program;
  }

  /** BPF_PROG_DETACH. @throws AttachError EBUSY, or ENOENT where `program` is not the one attached. */
  detach(slot: SockSlot, program: SockProgram): void {
    this.assertFree(slot, 'detach');
    if (this[slot] !== program) {
      throw fail(Errno.ENOENT, `map ${this.mapName}: detach ${program.name}`, 'it is not attached there');
    }
    this[slot] = null;
  }

  /** BPF_LINK_CREATE: takes over a plainly attached slot. @throws AttachError EBUSY. */
  link(slot: SockSlot, program: SockProgram): SockMapLink {
    this.assertFree(slot, 'link');
    const link = new Link(this, this.mapName, slot, program);
    this.links.set(slot, link);
    this[slot] = program;
    return link;
  }

  /** BPF_PROG_QUERY: ids of the attached programs. @throws AttachError EBUSY. */
  query(slot: SockSlot): number[] {
    this.assertCompatible(slot, 'query');
    const program = this[slot];
    return program === null ? [] : [program.id];
  }

  /** The last reference of the user to the map went away: its programs go, links included. */
  release(): void {
    for (const slot of SOCK_SLOTS) this[slot] = null;
  }

  /** For links only. */
  holder(slot: SockSlot): SockMapLink | undefined {
    return this.links.get(slot);
  }

  /** For links only: replaces the program, or empties the slot. */
  set(slot: SockSlot, program: SockProgram | null): void {
    this[slot] = program;
    if (program === null) this.links.delete(slot);
  }

  assertCompatible(slot: SockSlot, verb: string): void {
    const other = EXCLUDES[slot];
    if (other !== undefined && this[other] !== null) {
      throw fail(Errno.EBUSY, `map ${this.mapName}: ${verb} ${slot}`, `it has a ${other} program`);
    }
  }

  private assertFree(slot: SockSlot, verb: string): void {
    this.assertCompatible(slot, verb);
    if (this.links.has(slot)) {
      throw fail(Errno.EBUSY, `map ${this.mapName}: ${verb} ${slot}`, 'a link holds the slot');
    }
  }
}

class Link implements SockMapLink {
  readonly slot: SockSlot;
  program: SockProgram;
  private readonly progs: SockProgs;
  private readonly mapName: string;
  private attached = true;

  constructor(progs: SockProgs, mapName: string, slot: SockSlot, program: SockProgram) {
    this.progs = progs;
    this.mapName = mapName;
    this.slot = slot;
    this.program = program;
  }

  update(program: SockProgram, old?: SockProgram): void {
    const what = `map ${this.mapName}: update link`;
    if (old !== undefined && old !== this.program) {
      throw fail(Errno.EPERM, what, 'the old program is not the one that the link holds');
    }
    if (
      program.progType !== this.program.progType ||
      program.expectedAttachType !== this.program.expectedAttachType
    ) {
      throw fail(Errno.EINVAL, what, 'program type and expected attach type must stay the same');
    }
    if (!this.attached) throw fail(Errno.ENOLINK, what, 'the link was detached');
    this.progs.assertCompatible(this.slot, 'update link of');
    if (this.progs.holder(this.slot) !== this) throw fail(Errno.EBUSY, what, 'another link holds the slot');
    this.progs.set(this.slot, program);
    this.program = program;
  }

  detach(): void {
    if (!this.attached) return;
    this.attached = false;
    if (this.progs.holder(this.slot) === this) this.progs.set(this.slot, null);
  }
}
