/** How programs see a structure of the UAPI: fields, and which of them may be read and written at which width. */
import type { AttachType } from '../prog-types.js';

/** What a load of the field gives. */
export type FieldReg =
  | 'scalar'
  | 'pkt'
  | 'pkt_meta'
  | 'pkt_end'
  | 'sock'
  | 'sock_or_null'
  | 'sock_common_or_null'
  | 'flow_keys'
  /** A trusted pointer to the kernel structure named in `btf`. */
  | 'btf';

/**
 * Widths at which a field may be accessed; every access is aligned to its width.
 * `exact`: the width of one element. `narrow`: that, or a smaller power of two anywhere inside. `wide`: narrow, or two
 * elements at once from the first or third. `any`: 1, 2, 4 or 8 bytes anywhere inside.
 */
export type Widths = 'none' | 'exact' | 'narrow' | 'wide' | 'any';

export interface CtxField {
  readonly name: string;
  /** Bytes from the start of the structure. */
  readonly offset: number;
  /** Bytes of one element. */
  readonly width: number;
  /** Elements, 1 for plain fields. */
  readonly count: number;
  readonly reg: FieldReg;
  readonly read: Widths;
  readonly write: Widths;
  /** Only programs of these attach types may use it. */
  readonly attachTypes?: readonly AttachType[];
  /** Attach types that may write it, where they are fewer. */
  readonly writeAttachTypes?: readonly AttachType[];
  /** A wider access that old programs make: reads this many bytes at the offset of the field. */
  readonly compatWidth?: number;
  /** Smallest width of a narrow read. */
  readonly minWidth?: number;
  /** Name of the kernel structure behind a `btf` field. */
  readonly btf?: string;
}

export interface CtxLayout {
  /** Name of the structure in the UAPI, e.g. `__sk_buff`. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly fields: readonly CtxField[];
}

type FieldExtra = Partial<Omit<CtxField, 'name' | 'offset' | 'width'>>;

/** A field that is read at its own width only and not written, unless `extra` says more. */
export function field(name: string, offset: number, width: number, extra: FieldExtra = {}): CtxField {
  return { name, offset, width, count: 1, reg: 'scalar', read: 'exact', write: 'none', ...extra };
}

/** The layout with some fields changed; a field that is `null` is not accessible. */
export function withFields(
  layout: CtxLayout,
  changes: Readonly<Record<string, FieldExtra | null>>,
): CtxLayout {
  const fields = layout.fields
    .filter(({ name }) => changes[name] !== null)
    .map((old) => ({ ...old, ...changes[old.name] }));
  return { ...layout, fields };
}

/** The field in which `offset` lies. */
export function fieldAt(layout: CtxLayout, offset: number): CtxField | undefined {
  return layout.fields.find((f) => offset >= f.offset && offset < f.offset + f.width * f.count);
}

/**
 * The field that an access of `size` bytes at `offset` reads or writes, or null where the kernel refuses it (the
 * `is_valid_access` of the program type).
 */
export function accessField(
  layout: CtxLayout,
  offset: number,
  size: number,
  isWrite: boolean,
  attachType?: AttachType,
): CtxField | null {
  if (offset < 0 || offset % size !== 0) return null;
  const found = fieldAt(layout, offset);
  if (found === undefined || !attachAllows(found, isWrite, attachType)) return null;
  const widths = isWrite ? found.write : found.read;
  return widthsAllow(found, widths, offset - found.offset, size, isWrite) ? found : null;
}

function attachAllows(f: CtxField, isWrite: boolean, attachType: AttachType | undefined): boolean {
  const types = isWrite ? (f.writeAttachTypes ?? f.attachTypes) : f.attachTypes;
  return types === undefined || (attachType !== undefined && types.includes(attachType));
}

function widthsAllow(f: CtxField, widths: Widths, at: number, size: number, isWrite: boolean): boolean {
  if (widths === 'none') return false;
  if (!isWrite && f.compatWidth === size && at === 0) return true;
  if (widths === 'any') return at + size <= f.width * f.count;
  if (size === f.width) return true;
  if (widths === 'exact') return false;
  if (size < f.width) return !isWrite && size >= (f.minWidth ?? 1);
  return widths === 'wide' && size === 2 * f.width && at % size === 0 && at + size <= f.width * f.count;
}
