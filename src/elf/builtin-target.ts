/**
 * Types to relocate against where there is no kernel to ask: the contexts and socket structures of the UAPI, derived
 * from the tables by which programs access them, and the packet headers that programs look into.
 */
import { Btf } from '../btf/btf.js';
import type { MemberInit } from '../btf/build.js';
import { BtfBuilder } from '../btf/build.js';
import { CoreTarget } from '../btf/core.js';
import type { CtxField, CtxLayout } from '../progs/ctx/field.js';
import {
  BPF_SOCK,
  BPF_TCP_SOCK,
  BPF_XDP_SOCK,
  SK_BUFF,
  SK_LOOKUP_CTX,
  SK_MSG_CTX,
  SK_REUSEPORT_CTX,
  SOCKOPT_CTX,
  SOCK_ADDR_CTX,
  SOCK_OPS_CTX,
  XDP_CTX,
} from '../progs/ctx/layouts.js';

const LAYOUTS: readonly CtxLayout[] = [
  SK_BUFF,
  XDP_CTX,
  SK_MSG_CTX,
  SOCK_OPS_CTX,
  BPF_SOCK,
  BPF_TCP_SOCK,
  BPF_XDP_SOCK,
  SK_LOOKUP_CTX,
  SK_REUSEPORT_CTX,
  SOCK_ADDR_CTX,
  SOCKOPT_CTX,
];

/** Members that share bytes with others, which the access tables split differently. */
const OVERLAYS: Readonly<Record<string, readonly (readonly [string, number, number])[]>> = {
  bpf_sock_ops: [
    ['args', 4, 4],
    ['reply', 4, 1],
    ['replylong', 4, 4],
  ],
};

/** `name:bytes`, `name:bytes*count`, `name/bits`; a type of its own instead of bytes by its name. */
const HEADERS: readonly (readonly [string, string])[] = [
  ['ethhdr', 'h_dest:1*6 h_source:1*6 h_proto:2'],
  ['iphdr', 'ihl/4 version/4 tos:1 tot_len:2 id:2 frag_off:2 ttl:1 protocol:1 check:2 saddr:4 daddr:4'],
  [
    'ipv6hdr',
    'priority/4 version/4 flow_lbl:1*3 payload_len:2 nexthdr:1 hop_limit:1 saddr:in6_addr daddr:in6_addr',
  ],
  [
    'tcphdr',
    'source:2 dest:2 seq:4 ack_seq:4 res1/4 doff/4 fin/1 syn/1 rst/1 psh/1 ack/1 urg/1 ece/1 cwr/1 window:2 check:2 urg_ptr:2',
  ],
  ['udphdr', 'source:2 dest:2 len:2 check:2'],
  ['in_addr', 's_addr:4'],
];

/** Builds the types. Cheap: a few dozen structures. */
export function builtinTypes(): Btf {
  return Btf.parse(new TypeWriter().bytes(), 'built-in types');
}

export function builtinTarget(): CoreTarget {
  return new CoreTarget(builtinTypes());
}

class TypeWriter {
  private readonly builder = new BtfBuilder();
  private readonly ints = new Map<number, number>();
  private readonly pointer: number;
  private readonly inet6: number;

  constructor() {
    const names: readonly (readonly [number, string])[] = [
      [1, 'unsigned char'],
      [2, 'unsigned short'],
      [4, 'unsigned int'],
      [8, 'unsigned long long'],
    ];
    for (const [size, name] of names) this.ints.set(size, this.builder.int(name, size));
    this.pointer = this.builder.ptr(0);
    this.inet6 = this.inet6Address();
    for (const layout of LAYOUTS) this.layout(layout);
    for (const [name, members] of HEADERS) this.header(name, members);
    this.sockTuple();
  }

  bytes(): Uint8Array {
    return this.builder.bytes();
  }

  private array(size: number, count: number): number {
    return this.builder.array(this.ints.get(size)!, this.ints.get(4)!, count);
  }

  private layout({ name, size, fields }: CtxLayout): void {
    const overlays = OVERLAYS[name] ?? [];
    const hidden = new Set(overlays.map(([overlay]) => overlay));
    const members = fields
      .filter((field) => !hidden.has(field.name))
      .map((field): MemberInit => ({
        name: field.name,
        type: this.fieldType(field),
        bitOffset: field.offset * 8,
      }));
    for (const [overlay, offset, count] of overlays) {
      const type = count === 1 ? this.ints.get(4)! : this.array(4, count);
      members.push({ name: overlay, type, bitOffset: offset * 8 });
    }
    this.builder.struct(name, size, members);
  }

  private fieldType(field: CtxField): number {
    if (field.width === 8 && field.reg !== 'scalar') return this.pointer;
    return field.count === 1 ? this.ints.get(field.width)! : this.array(field.width, field.count);
  }

  private header(name: string, text: string): void {
    const members: MemberInit[] = [];
    let bit = 0;
    for (const item of text.split(' ')) {
      const [, label, mark, size, count] = /^(\w+)([:/])(\w+)(?:\*(\d+))?$/.exec(item)!;
      if (mark === '/') {
        members.push({ name: label, type: this.ints.get(1)!, bitOffset: bit, bits: Number(size) });
        bit += Number(size);
        continue;
      }
      const bytes = size === 'in6_addr' ? 16 : Number(size);
      const single = size === 'in6_addr' ? this.inet6 : this.ints.get(bytes)!;
      const type = count === undefined ? single : this.array(bytes, Number(count));
      members.push({ name: label, type, bitOffset: bit });
      bit += bytes * Number(count ?? 1) * 8;
    }
    this.builder.struct(name, bit / 8, members);
  }

  private inet6Address(): number {
    const union = this.builder.union('', 16, [
      { name: 'u6_addr8', type: this.array(1, 16), bitOffset: 0 },
      { name: 'u6_addr16', type: this.array(2, 8), bitOffset: 0 },
      { name: 'u6_addr32', type: this.array(4, 4), bitOffset: 0 },
    ]);
    return this.builder.struct('in6_addr', 16, [{ name: 'in6_u', type: union, bitOffset: 0 }]);
  }

  private sockTuple(): void {
    const part = (words: number): number => {
      const address = words === 1 ? this.ints.get(4)! : this.array(4, words);
      const port = this.ints.get(2)!;
      return this.builder.struct('', words * 8 + 4, [
        { name: 'saddr', type: address, bitOffset: 0 },
        { name: 'daddr', type: address, bitOffset: words * 32 },
        { name: 'sport', type: port, bitOffset: words * 64 },
        { name: 'dport', type: port, bitOffset: words * 64 + 16 },
      ]);
    };
    const union = this.builder.union('', 36, [
      { name: 'ipv4', type: part(1), bitOffset: 0 },
      { name: 'ipv6', type: part(4), bitOffset: 0 },
    ]);
    this.builder.struct('bpf_sock_tuple', 36, [{ name: '', type: union, bitOffset: 0 }]);
  }
}
