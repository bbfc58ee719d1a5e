/** Parser of .BTF.ext: func_info, line_info and CO-RE relocations, by the section that they belong to. */
import { BtfError } from '../errors.js';
import type { Btf } from './btf.js';
import type { CoreRelo, CoreReloKind, FuncInfo, LineInfo } from './ext-types.js';

/*
 * Header:   magic u16 | version u8 | flags u8 | hdr_len u32 | (off u32, len u32) of func_info, line_info, core_relo
 * Each:     rec_size u32 | per section: sec_name_off u32, num_info u32, records
 * Records:  func_info  insn_off u32 | type_id u32
 *           line_info  insn_off u32 | file_name_off u32 | line_off u32 | line_col u32 (line:22, column:10)
 *           core_relo  insn_off u32 | type_id u32 | access_str_off u32 | kind u32
 * Records may be longer than these; what follows is skipped. insn_off counts bytes from the start of the section.
 */
const MAGIC = 0xeb9f;
const MIN_HEADER = 24;

/** Records of one kind and section: `words` of `perRecord` u32 each, ordered by the first, which is a slot. */
interface Records {
  readonly words: Uint32Array;
  readonly perRecord: number;
}

const NONE: Records = { words: new Uint32Array(), perRecord: 1 };

/** The range of records whose slot is in [from, to). */
function range(records: Records, from: number, to: number): [number, number] {
  return [lowerBound(records, from), lowerBound(records, to)];
}

function lowerBound({ words, perRecord }: Records, slot: number): number {
  let low = 0;
  let high = words.length / perRecord;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (words[middle * perRecord] < slot) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What .BTF.ext says, to be asked for ranges of slots of a section. Texts are looked up when they are asked for. */
export class BtfExt {
  private readonly btf: Btf;
  private readonly funcs: ReadonlyMap<string, Records>;
  private readonly lines: ReadonlyMap<string, Records>;
  private readonly relos: ReadonlyMap<string, Records>;
  private readonly files = new Map<number, string>();

  /** @throws BtfError */
  constructor(bytes: Uint8Array, btf: Btf, what = '.BTF.ext') {
    const reader = new ExtReader(bytes, btf, what);
    this.btf = btf;
    this.funcs = reader.part('func_info', 8, 2);
    this.lines = reader.part('line_info', 16, 4);
    this.relos = reader.part('core_relo', 24, 4);
  }

  /** Functions that start in slots [from, to) of a section; their pc is counted from `from`, plus `base`. */
  funcInfo(section: string, from: number, to: number, base: number): FuncInfo[] {
    const records = this.funcs.get(section) ?? NONE;
    const [first, last] = range(records, from, to);
    const found: FuncInfo[] = [];
    for (let i = first; i < last; i++) {
      found.push({ pc: records.words[i * 2] - from + base, typeId: records.words[i * 2 + 1] });
    }
    return found;
  }

  lineInfo(section: string, from: number, to: number, base: number): LineInfo[] {
    const records = this.lines.get(section) ?? NONE;
    const { words } = records;
    const [first, last] = range(records, from, to);
    const found: LineInfo[] = [];
    for (let i = first; i < last; i++) {
      const place = words[i * 4 + 3];
      found.push({
        pc: words[i * 4] - from + base,
        file: this.file(words[i * 4 + 1]),
        text: this.btf.stringAt(words[i * 4 + 2]),
        line: place >>> 10,
        column: place & 0x3ff,
      });
    }
    return found;
  }

  coreRelos(section: string, from: number, to: number, base: number): CoreRelo[] {
    const records = this.relos.get(section) ?? NONE;
    const { words } = records;
    const [first, last] = range(records, from, to);
    const found: CoreRelo[] = [];
    for (let i = first; i < last; i++) {
      found.push({
        pc: words[i * 4] - from + base,
        typeId: words[i * 4 + 1],
        access: this.btf.stringAt(words[i * 4 + 2]),
        kind: words[i * 4 + 3] as CoreReloKind,
      });
    }
    return found;
  }

  private file(offset: number): string {
    let file = this.files.get(offset);
    if (file === undefined) {
      file = this.btf.stringAt(offset);
      this.files.set(offset, file);
    }
    return file;
  }
}

class ExtReader {
  private readonly view: DataView;
  private readonly btf: Btf;
  private readonly what: string;
  private readonly headerSize: number;

  constructor(bytes: Uint8Array, btf: Btf, what: string) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.btf = btf;
    this.what = what;
    if (bytes.length < MIN_HEADER) {
      this.fail('TRUNCATED', `${bytes.length} bytes, its header has at least ${MIN_HEADER}`);
    }
    const magic = this.view.getUint16(0, true);
    if (magic !== MAGIC) this.fail('MAGIC', `magic 0x${magic.toString(16)}, not 0x${MAGIC.toString(16)}`);
    if (bytes[2] !== 1) this.fail('VERSION', `version ${bytes[2]}, only 1 is known`);
    this.headerSize = this.view.getUint32(4, true);
    if (this.headerSize < MIN_HEADER || this.headerSize > bytes.length) {
      this.fail('HEADER', `header of ${this.headerSize} bytes in a section of ${bytes.length}`);
    }
  }

  private fail(code: string, message: string): never {
    throw new BtfError(`ERR_BPF_BTF_EXT_${code}`, `${this.what}: ${message}`);
  }

  /** One of the parts; `field` is where the header has its offset. */
  part(name: string, field: number, perRecord: number): ReadonlyMap<string, Records> {
    const parts = new Map<string, Records>();
    if (field + 8 > this.headerSize) return parts;
    const start = this.headerSize + this.view.getUint32(field, true);
    const length = this.view.getUint32(field + 4, true);
    if (length === 0) return parts;
    const end = start + length;
    if (end > this.view.byteLength) {
      this.fail('TRUNCATED', `${name} [${start}, ${end}) of ${this.view.byteLength} bytes`);
    }
    if (length < 4) this.fail('TRUNCATED', `${name} has ${length} bytes`);
    const size = this.view.getUint32(start, true);
    if (size < perRecord * 4 || size % 4 !== 0) {
      this.fail('RECORD', `${name}: records of ${size} bytes, at least ${perRecord * 4} needed`);
    }
    for (let at = start + 4; at < end;) {
      if (at + 8 > end) this.fail('TRUNCATED', `${name}: ${end - at} bytes left for a section's header`);
      const section = this.btf.stringAt(this.view.getUint32(at, true));
      const count = this.view.getUint32(at + 4, true);
      at += 8;
      if (count === 0) this.fail('RECORD', `${name}: section ${section} without records`);
      if (at + count * size > end) {
        this.fail('TRUNCATED', `${name}: ${count} records of section ${section}, ${end - at} bytes left`);
      }
      // As libbpf, which looks no further than the first list of a section.
      if (!parts.has(section)) parts.set(section, this.records(name, at, count, size, perRecord));
      at += count * size;
    }
    return parts;
  }

  private records(name: string, at: number, count: number, size: number, perRecord: number): Records {
    const words = new Uint32Array(count * perRecord);
    let sorted = true;
    for (let i = 0; i < count; i++, at += size) {
      const offset = this.view.getUint32(at, true);
      if (offset % 8 !== 0)
        this.fail('RECORD', `${name}: record ${i} is for byte ${offset}, in an instruction`);
      words[i * perRecord] = offset / 8;
      if (i > 0 && words[(i - 1) * perRecord] > offset / 8) sorted = false;
      for (let k = 1; k < perRecord; k++) words[i * perRecord + k] = this.view.getUint32(at + k * 4, true);
    }
    return { words: sorted ? words : sortRecords(words, perRecord), perRecord };
  }
}

function sortRecords(words: Uint32Array, perRecord: number): Uint32Array {
  const order = Array.from({ length: words.length / perRecord }, (_, i) => i);
  order.sort((a, b) => words[a * perRecord] - words[b * perRecord] || a - b);
  const sorted = new Uint32Array(words.length);
  for (const [to, from] of order.entries()) {
    sorted.set(words.subarray(from * perRecord, (from + 1) * perRecord), to * perRecord);
  }
  return sorted;
}
