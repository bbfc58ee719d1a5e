/** Types as C declarations that compile to the same layout, in an order that C accepts. */
import { BtfError } from '../errors.js';
import type { Btf } from './btf.js';
import { CLayout } from './c-layout.js';
import type { BtfComposite, BtfEnum, BtfFuncProto, BtfMember, BtfType } from './types.js';
import { BtfKind } from './types.js';

const MAX_DEPTH = 256;
/** Characters of C per byte of type information before anonymous types that multiply are taken for an attack. */
const MAX_GROWTH = 64;
/** Types that one declaration may go through. */
const BRIEF_STEPS = 4096;

/** A typedef that every compiler defines itself, for its own target. */
const BUILT_IN = '__builtin_va_list';

/** All types of a table as one header. */
export function dumpC(btf: Btf): string {
  const dump = new CDump(btf);
  for (let id = 1; id < btf.types.length; id++) dump.top(id);
  return [
    '#pragma once',
    '',
    '#if defined(__clang__) && defined(__bpf__) && !defined(BPF_NO_PRESERVE_ACCESS_INDEX)',
    '#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)',
    '#endif',
    '',
    dump.text,
    '#if defined(__clang__) && defined(__bpf__) && !defined(BPF_NO_PRESERVE_ACCESS_INDEX)',
    '#pragma clang attribute pop',
    '#endif',
    '',
  ].join('\n');
}

/** One declaration: `declareC(btf, id, 'x')` gives `const char *x`. Structures are named, not defined. */
export function declareC(btf: Btf, id: number, name: string): string {
  return new CDump(btf, true).declare(id, name);
}

/** The name of a type: `struct sock *`. */
export function typeName(btf: Btf, id: number): string {
  return declareC(btf, id, '').trim();
}

const enum Done {
  Started = 1,
  Yes,
}

class CDump {
  text = '';
  private readonly btf: Btf;
  private readonly layout: CLayout;
  /** Characters. */
  private readonly limit: number;
  /** Steps of declarations that are left: parameters of parameters multiply. */
  private steps: number;
  /** Anonymous types are shortened to `struct {...}`. */
  private readonly brief: boolean;
  private readonly defined = new Map<number, Done>();
  private readonly declared = new Set<string>();
  /** Names in use, by name space: tags, and everything else. */
  private readonly tags = new Map<string, number>();
  private readonly idents = new Map<string, number>();
  private readonly tagNames = new Map<number, string>();
  private readonly typedefNames = new Map<number, string>();
  /** Bodies around what is being written. */
  private level = 0;

  constructor(btf: Btf, brief = false) {
    this.btf = btf;
    this.layout = new CLayout(btf);
    this.limit = MAX_GROWTH * Math.max(btf.bytes.length, 16 * btf.types.length) + (1 << 20);
    this.brief = brief;
    this.steps = brief ? BRIEF_STEPS : MAX_GROWTH * btf.types.length + BRIEF_STEPS;
  }

  /** Writes a type of its own where it is one. */
  top(id: number): void {
    const type = this.btf.type(id);
    switch (type.kind) {
      case BtfKind.Struct:
      case BtfKind.Union:
        if (type.name !== '') this.need(id, true, 0);
        return;
      case BtfKind.Enum:
      case BtfKind.Enum64:
      case BtfKind.Typedef:
      case BtfKind.Fwd:
        this.need(id, true, 0);
        return;
      default:
        return;
    }
  }

  private write(line: string): void {
    this.text += line;
    this.checkLength(this.text);
  }

  private checkLength(text: string): void {
    if (text.length > this.limit) {
      throw new BtfError('ERR_BPF_BTF_SIZE', `the types take more than ${this.limit} characters of C`);
    }
  }

  private checkDepth(id: number, depth: number): void {
    if (depth > MAX_DEPTH) {
      throw new BtfError('ERR_BPF_BTF_DEPTH', `type ${id}: nested deeper than ${MAX_DEPTH}`);
    }
  }

  /** Sees to it that what `id` refers to is declared, and defined where `complete`. */
  private need(id: number, complete: boolean, depth: number): void {
    this.checkDepth(id, depth);
    const type = this.btf.type(id);
    switch (type.kind) {
      case BtfKind.Ptr:
        this.need(type.type, false, depth + 1);
        return;
      case BtfKind.Array:
        this.need(type.type, true, depth + 1);
        return;
      case BtfKind.Const:
      case BtfKind.Volatile:
      case BtfKind.Restrict:
      case BtfKind.TypeTag:
        this.need(type.type, complete, depth + 1);
        return;
      case BtfKind.Typedef:
        this.typedef(type.id, type.name, type.type, depth);
        if (complete) this.need(type.type, true, depth + 1);
        return;
      case BtfKind.FuncProto:
        this.needPrototype(type, depth);
        return;
      case BtfKind.Enum:
      case BtfKind.Enum64:
        if (type.name !== '' || depth === 0) this.enumeration(type);
        return;
      case BtfKind.Fwd:
        this.forward(type.isUnion ? 'union' : 'struct', type.name);
        return;
      case BtfKind.Struct:
      case BtfKind.Union:
        this.composite(type, complete, depth);
        return;
      default:
        return;
    }
  }

  private needPrototype(type: BtfFuncProto, depth: number): void {
    this.need(type.type, false, depth + 1);
    for (const param of type.params) this.need(param.type, false, depth + 1);
  }

  private forward(keyword: string, name: string): void {
    const line = `${keyword} ${name};\n\n`;
    if (name === '' || this.declared.has(line)) return;
    this.declared.add(line);
    this.write(line);
  }

  private composite(type: BtfComposite, complete: boolean, depth: number): void {
    if (type.name !== '' && !complete) {
      this.forward(keywordOf(type), this.tag(type));
      return;
    }
    const done = this.defined.get(type.id);
    if (done === Done.Yes) return;
    if (done === Done.Started) throw new BtfError('ERR_BPF_BTF_CYCLE', `type ${type.id} contains itself`);
    this.defined.set(type.id, Done.Started);
    for (const member of type.members) this.need(member.type, true, depth + 1);
    this.defined.set(type.id, Done.Yes);
    if (type.name !== '') this.write(`${this.body(type, depth)};\n\n`);
  }

  private typedef(id: number, name: string, target: number, depth: number): void {
    const done = this.defined.get(id);
    if (done === Done.Started) throw new BtfError('ERR_BPF_BTF_CYCLE', `type ${id} contains itself`);
    if (done === Done.Yes) return;
    this.defined.set(id, Done.Started);
    const type = this.btf.skipModifiers(target);
    this.need(
      target,
      type.kind === BtfKind.Struct || type.kind === BtfKind.Union ? type.name === '' : false,
      depth + 1,
    );
    this.defined.set(id, Done.Yes);
    this.write(`typedef ${this.declare(target, this.typedefName(id, name), depth)};\n\n`);
  }

  private enumeration(type: BtfEnum): void {
    if (this.defined.has(type.id)) return;
    this.write(`${this.enumBody(type, '')};\n\n`);
  }

  /** Names that occur twice get a suffix, `___2`, from the second on. */
  private unique(names: Map<string, number>, name: string): string {
    const count = (names.get(name) ?? 0) + 1;
    names.set(name, count);
    return count === 1 ? name : `${name}___${count}`;
  }

  private tag(type: BtfComposite | BtfEnum): string {
    let name = this.tagNames.get(type.id);
    if (name === undefined) this.tagNames.set(type.id, (name = this.unique(this.tags, type.name)));
    return name;
  }

  private typedefName(id: number, name: string): string {
    let known = this.typedefNames.get(id);
    if (known === undefined) {
      known = this.unique(this.idents, name === BUILT_IN ? `_${BUILT_IN}` : name);
      this.typedefNames.set(id, known);
    }
    return known;
  }

  /** `inner` declared as of type `id`. Modifiers are gathered in `quals` until what they qualify is known. */
  declare(id: number, inner: string, depth = 0, quals = ''): string {
    this.checkDepth(id, depth);
    if (--this.steps < 0) throw new BtfError('ERR_BPF_BTF_DEPTH', `type ${id}: too much to declare`);
    const type = this.btf.type(id);
    const base = (text: string): string => `${quals}${text}${inner === '' ? '' : ` ${inner}`}`;
    switch (type.kind) {
      case BtfKind.Void:
        return base('void');
      case BtfKind.Int:
      case BtfKind.Float:
        return base(type.name === '' ? 'int' : type.name);
      case BtfKind.Const:
        return this.declare(type.type, inner, depth + 1, `${quals}const `);
      case BtfKind.Volatile:
        return this.declare(type.type, inner, depth + 1, `${quals}volatile `);
      case BtfKind.Restrict:
        return this.declare(type.type, inner, depth + 1, `${quals}restrict `);
      case BtfKind.TypeTag:
        return this.declare(type.type, inner, depth + 1, quals);
      case BtfKind.Ptr: {
        const target = this.btf.skipModifiers(type.type);
        const pointer = `*${quals}${inner}`;
        const needsParens = target.kind === BtfKind.Array || target.kind === BtfKind.FuncProto;
        return this.declare(type.type, needsParens ? `(${pointer})` : pointer, depth + 1);
      }
      case BtfKind.Array:
        return this.declare(type.type, `${inner}[${type.count}]`, depth + 1, quals);
      case BtfKind.FuncProto:
        return this.declare(type.type, `${inner}(${this.params(type, depth)})`, depth + 1);
      case BtfKind.Typedef:
        return base(this.typedefName(type.id, type.name));
      case BtfKind.Fwd:
        return base(`${type.isUnion ? 'union' : 'struct'} ${type.name}`);
      case BtfKind.Struct:
      case BtfKind.Union:
        if (type.name !== '') return base(`${keywordOf(type)} ${this.tag(type)}`);
        return base(this.brief ? `${keywordOf(type)} {...}` : this.body(type, depth + 1));
      case BtfKind.Enum:
      case BtfKind.Enum64:
        return base(this.enumReference(type));
      default:
        // Functions, variables and sections are no types in C: only their names can be given.
        return base(type.name);
    }
  }

  private enumReference(type: BtfEnum): string {
    if (type.name !== '') return `enum ${this.tag(type)}`;
    if (this.brief) return 'enum {...}';
    // Enumerators may be defined only once: the second use is the integer behind it.
    if (this.defined.has(type.id)) return type.signed ? 'int' : 'unsigned int';
    return this.enumBody(type, '\t'.repeat(this.level));
  }

  private params(type: BtfFuncProto, depth: number): string {
    if (type.params.length === 0) return 'void';
    return type.params
      .map(({ name, type: id }, i) =>
        id === 0 && i === type.params.length - 1 ? '...' : this.declare(id, name, depth + 1),
      )
      .join(', ');
  }

  private enumBody(type: BtfEnum, indent: string): string {
    this.defined.set(type.id, Done.Yes);
    const name = type.name === '' ? '' : ` ${this.tag(type)}`;
    if (type.values.length === 0) return `enum${name}`;
    const suffix = type.kind === BtfKind.Enum64 ? (type.signed ? 'LL' : 'ULL') : '';
    const lines = type.values.map(
      (value) => `${indent}\t${this.unique(this.idents, value.name)} = ${value.value}${suffix},\n`,
    );
    const mode = {
      1: ' __attribute__((mode(byte)))',
      2: ' __attribute__((mode(HI)))',
      8: ' __attribute__((mode(DI)))',
    }[type.size];
    return `enum${name} {\n${lines.join('')}${indent}}${mode ?? ''}`;
  }

  /** `struct name { members } attributes`. */
  private body(type: BtfComposite, depth: number): string {
    this.checkDepth(type.id, depth);
    const indent = '\t'.repeat(this.level++);
    const name = type.name === '' ? '' : ` ${this.tag(type)}`;
    const natural = this.layout.isNatural(type);
    const lines: string[] = [];
    let end = 0;
    for (const member of type.members) {
      if (!natural && type.kind === BtfKind.Struct) lines.push(...padding(indent, end, member.bitOffset));
      lines.push(`${indent}\t${this.member(member, depth)};\n`);
      end = member.bitOffset + this.layout.width(member);
    }
    if (!natural) {
      if (type.kind === BtfKind.Struct) lines.push(...padding(indent, end, type.size * 8));
      else if (type.size > 0) lines.push(`${indent}\tchar __size[${type.size}];\n`);
    }
    const attributes = natural ? '' : ` __attribute__((packed, aligned(${this.layout.alignOf(type.id)})))`;
    const text = `${keywordOf(type)}${name} {\n${lines.join('')}${indent}}${attributes}`;
    this.level--;
    this.checkLength(text);
    return text;
  }

  private member(member: BtfMember, depth: number): string {
    const bits = member.bitSize === 0 ? '' : `: ${member.bitSize}`;
    return `${this.declare(member.type, member.name, depth + 1)}${bits}`;
  }
}

/** Unnamed bit fields for what lies between two members of a packed structure. */
function padding(indent: string, from: number, to: number): string[] {
  const lines: string[] = [];
  for (let at = from; at < to;) {
    const bits = Math.min(64, at % 8 === 0 ? to - at : Math.min(8 - (at % 8), to - at));
    lines.push(`${indent}\tlong long: ${bits};\n`);
    at += bits;
    if (lines.length > 4096) {
      // A long gap is an array, which cannot be unnamed.
      const bytes = Math.floor((to - from) / 8);
      return [`${indent}\tchar __gap_${from / 8}[${bytes}];\n`];
    }
  }
  return lines;
}

function keywordOf(type: BtfType): string {
  return type.kind === BtfKind.Union ? 'union' : 'struct';
}
