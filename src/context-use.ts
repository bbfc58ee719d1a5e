/** Which parts of its context a program can look at: what nobody reads need not be prepared. */
import { ROWS } from './isa/ops.js';
import { SKB } from './progs/ctx/sk-buff.js';
import { MSG } from './progs/ctx/sk-msg.js';
import { ProgType } from './progs/prog-types.js';
import type { ProgramImage } from './vm/engine.js';

export interface ContextUse {
  /** Never loads `data` or `data_end`. */
  readonly ignoresData: boolean;
  /** Never loads `sk`. */
  readonly ignoresSock: boolean;
}

const EVERYTHING: ContextUse = { ignoresData: false, ignoresSock: false };

/** First bytes of the fields, and the bytes of each. */
const FIELDS: ReadonlyMap<ProgType, { data: readonly number[]; sock: number; size: number }> = new Map([
  [ProgType.SkSkb, { data: [SKB.data, SKB.dataEnd, SKB.dataMeta], sock: SKB.sk, size: 4 }],
  [ProgType.SkMsg, { data: [MSG.data, MSG.dataEnd], sock: MSG.sk, size: 8 }],
]);

/**
 * Looks at every load's offset, whatever its base: a verified program reads its context only at constant offsets from
 * its start. Of programs that are not verified nothing is known.
 */
export function contextUse(image: ProgramImage): ContextUse {
  const fields = FIELDS.get(image.progType);
  if (image.proved === undefined || fields === undefined) return EVERYTHING;
  let ignoresData = true;
  let ignoresSock = true;
  const { op, off, length } = image.insns;
  for (let pc = 0; pc < length; pc++) {
    const row = ROWS[op[pc]];
    if (row?.kind !== 'ldx' && row?.kind !== 'ldsx') continue;
    const end = off[pc] + row.width / 8;
    const overlaps = (at: number): boolean => off[pc] < at + fields.size && end > at;
    if (fields.data.some(overlaps)) ignoresData = false;
    if (overlaps(fields.sock) || overlaps(fields.sock + 4)) ignoresSock = false;
  }
  return { ignoresData, ignoresSock };
}
