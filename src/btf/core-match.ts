/**
 * When two types count as the same for CO-RE, in a program's BTF and in the target's. Three relations of libbpf, from
 * loose to strict: fields compatible (field relocations), types compatible (existence, size, id), types match.
 */
import { BtfError } from '../errors.js';
import type { Btf } from './btf.js';
import type { BtfComposite, BtfEnum, BtfType } from './types.js';
import { BtfKind } from './types.js';

const MAX_DEPTH = 32;

/** A type in its table. */
export interface TypeAt {
  readonly btf: Btf;
  readonly id: number;
}

/** The name without a flavour: `task_struct___old` is `task_struct`. */
export function essentialName(name: string): string {
  for (let i = name.length - 5; i >= 0; i--) {
    const isSeparator =
      name[i] !== '_' &&
      name[i + 1] === '_' &&
      name[i + 2] === '_' &&
      name[i + 3] === '_' &&
      name[i + 4] !== '_';
    if (isSeparator) return name.slice(0, i + 1);
  }
  return name;
}

const isEnum = (type: BtfType): type is BtfEnum => type.kind === BtfKind.Enum || type.kind === BtfKind.Enum64;

const isComposite = (type: BtfType): type is BtfComposite =>
  type.kind === BtfKind.Struct || type.kind === BtfKind.Union;

/** Same kind; ENUM and ENUM64 are one. */
export function kindsCompatible(a: BtfType, b: BtfType): boolean {
  return a.kind === b.kind || (isEnum(a) && isEnum(b));
}

function tooDeep(at: TypeAt): BtfError {
  return new BtfError('ERR_BPF_BTF_DEPTH', `type ${at.id}: nested deeper than ${MAX_DEPTH}`);
}

/** Bounds the work on types that branch: members of members, parameters of function pointers. */
class Budget {
  private left = 1_000_000;

  spend(at: TypeAt): void {
    if (--this.left < 0) throw new BtfError('ERR_BPF_BTF_DEPTH', `type ${at.id}: too much to compare`);
  }
}

/** For fields: names, sizes and signs of what they hold do not matter, only that it is the same sort of thing. */
export function fieldsCompatible(local: TypeAt, target: TypeAt): boolean {
  let l = local.btf.resolve(local.id);
  let t = target.btf.resolve(target.id);
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (isComposite(l) && isComposite(t)) return true;
    if (!kindsCompatible(l, t)) return false;
    switch (l.kind) {
      case BtfKind.Ptr:
      case BtfKind.Float:
        return true;
      case BtfKind.Fwd:
      case BtfKind.Enum:
      case BtfKind.Enum64:
        return sameOrAnonymous(l.name, t.name);
      case BtfKind.Int:
        return l.bitOffset === 0 && t.kind === BtfKind.Int && t.bitOffset === 0;
      case BtfKind.Array:
        if (t.kind !== BtfKind.Array) return false;
        l = local.btf.resolve(l.type);
        t = target.btf.resolve(t.type);
        break;
      default:
        return false;
    }
  }
  throw tooDeep(local);
}

function sameOrAnonymous(a: string, b: string): boolean {
  return a === '' || b === '' || essentialName(a) === essentialName(b);
}

/** For whole types whose names were found equal: the structure of pointers, arrays and prototypes agrees. */
export function typesCompatible(local: TypeAt, target: TypeAt): boolean {
  if (!kindsCompatible(local.btf.type(local.id), target.btf.type(target.id))) return false;
  return compatible(local, target, MAX_DEPTH, new Budget());
}

function compatible(local: TypeAt, target: TypeAt, level: number, budget: Budget): boolean {
  let l = local.btf.resolve(local.id);
  let t = target.btf.resolve(target.id);
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    budget.spend(local);
    if (!kindsCompatible(l, t)) return false;
    switch (l.kind) {
      case BtfKind.Void:
      case BtfKind.Struct:
      case BtfKind.Union:
      case BtfKind.Enum:
      case BtfKind.Enum64:
      case BtfKind.Fwd:
        return true;
      case BtfKind.Int:
        return l.bitOffset === 0 && t.kind === BtfKind.Int && t.bitOffset === 0;
      case BtfKind.FuncProto: {
        if (t.kind !== BtfKind.FuncProto || l.params.length !== t.params.length) return false;
        if (level <= 0) throw tooDeep(local);
        for (const [i, param] of l.params.entries()) {
          const pair: [TypeAt, TypeAt] = [
            { btf: local.btf, id: param.type },
            { btf: target.btf, id: t.params[i].type },
          ];
          if (!compatible(...pair, level - 1, budget)) return false;
        }
        break;
      }
      case BtfKind.Ptr:
      case BtfKind.Array:
        break;
      default:
        return false;
    }
    l = local.btf.resolve((l as { type: number }).type);
    t = target.btf.resolve((t as { type: number }).type);
  }
  throw tooDeep(local);
}

/** The strictest: sizes and signs of integers, every local member and enumerator present, prototypes alike. */
export function typesMatch(local: TypeAt, target: TypeAt): boolean {
  return match(local, target, false, MAX_DEPTH, new Budget());
}

function match(local: TypeAt, target: TypeAt, pointedTo: boolean, level: number, budget: Budget): boolean {
  if (level <= 0) throw tooDeep(local);
  let l = local.btf.resolve(local.id);
  let t = target.btf.resolve(target.id);
  let behind = pointedTo;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    budget.spend(local);
    if (!namesMatch(l.name, t.name)) return false;
    switch (l.kind) {
      case BtfKind.Void:
        return t.kind === BtfKind.Void;
      case BtfKind.Fwd:
        return forwardMatches(l.isUnion, t, behind);
      case BtfKind.Enum:
      case BtfKind.Enum64:
        return isEnum(t) && enumsMatch(l, t);
      case BtfKind.Struct:
      case BtfKind.Union:
        if (behind)
          return l.kind === t.kind || (t.kind === BtfKind.Fwd && t.isUnion === (l.kind === BtfKind.Union));
        return (
          l.kind === t.kind && compositesMatch(local.btf, l, target.btf, t as BtfComposite, level, budget)
        );
      case BtfKind.Int:
        return t.kind === BtfKind.Int && l.size === t.size && l.signed === t.signed;
      case BtfKind.Ptr:
        if (t.kind !== BtfKind.Ptr) return false;
        behind = true;
        break;
      case BtfKind.Array:
        if (t.kind !== BtfKind.Array || l.count !== t.count) return false;
        break;
      case BtfKind.FuncProto: {
        if (t.kind !== BtfKind.FuncProto || l.params.length !== t.params.length) return false;
        for (const [i, param] of l.params.entries()) {
          const pair: [TypeAt, TypeAt] = [
            { btf: local.btf, id: param.type },
            { btf: target.btf, id: t.params[i].type },
          ];
          if (!match(...pair, behind, level - 1, budget)) return false;
        }
        break;
      }
      default:
        return false;
    }
    l = local.btf.resolve((l as { type: number }).type);
    t = target.btf.resolve((t as { type: number }).type);
  }
  throw tooDeep(local);
}

const namesMatch = (local: string, target: string): boolean =>
  target === '' ? local === '' : essentialName(local) === essentialName(target);

function forwardMatches(isUnion: boolean, target: BtfType, behind: boolean): boolean {
  if (target.kind === BtfKind.Fwd) return target.isUnion === isUnion;
  return behind && target.kind === (isUnion ? BtfKind.Union : BtfKind.Struct);
}

function enumsMatch(local: BtfEnum, target: BtfEnum): boolean {
  if (local.size !== target.size || local.values.length > target.values.length) return false;
  const names = new Set(target.values.map((value) => essentialName(value.name)));
  return local.values.every((value) => names.has(essentialName(value.name)));
}

function compositesMatch(
  localBtf: Btf,
  local: BtfComposite,
  targetBtf: Btf,
  target: BtfComposite,
  level: number,
  budget: Budget,
): boolean {
  if (local.members.length > target.members.length) return false;
  return local.members.every((member) =>
    target.members.some(
      (candidate) =>
        namesMatch(member.name, candidate.name) &&
        match(
          { btf: localBtf, id: member.type },
          { btf: targetBtf, id: candidate.type },
          false,
          level - 1,
          budget,
        ),
    ),
  );
}
