// Derived from ops.ts by `npm run gen`; do not edit.

/** Dense number of every instruction, in the order of the rows of the table. */
export const enum Op {
  add64_imm = 0,
  add64_reg = 1,
  sub64_imm = 2,
  sub64_reg = 3,
  mul64_imm = 4,
  mul64_reg = 5,
  div64_imm = 6,
  div64_reg = 7,
  or64_imm = 8,
  or64_reg = 9,
  and64_imm = 10,
  and64_reg = 11,
  lsh64_imm = 12,
  lsh64_reg = 13,
  rsh64_imm = 14,
  rsh64_reg = 15,
  mod64_imm = 16,
  mod64_reg = 17,
  xor64_imm = 18,
  xor64_reg = 19,
  mov64_imm = 20,
  mov64_reg = 21,
  arsh64_imm = 22,
  arsh64_reg = 23,
  sdiv64_imm = 24,
  sdiv64_reg = 25,
  smod64_imm = 26,
  smod64_reg = 27,
  neg64 = 28,
  movsx8to64 = 29,
  movsx16to64 = 30,
  movsx32to64 = 31,
  add32_imm = 32,
  add32_reg = 33,
  sub32_imm = 34,
  sub32_reg = 35,
  mul32_imm = 36,
  mul32_reg = 37,
  div32_imm = 38,
  div32_reg = 39,
  or32_imm = 40,
  or32_reg = 41,
  and32_imm = 42,
  and32_reg = 43,
  lsh32_imm = 44,
  lsh32_reg = 45,
  rsh32_imm = 46,
  rsh32_reg = 47,
  mod32_imm = 48,
  mod32_reg = 49,
  xor32_imm = 50,
  xor32_reg = 51,
  mov32_imm = 52,
  mov32_reg = 53,
  arsh32_imm = 54,
  arsh32_reg = 55,
  sdiv32_imm = 56,
  sdiv32_reg = 57,
  smod32_imm = 58,
  smod32_reg = 59,
  neg32 = 60,
  movsx8to32 = 61,
  movsx16to32 = 62,
  le16 = 63,
  le32 = 64,
  le64 = 65,
  be16 = 66,
  be32 = 67,
  be64 = 68,
  bswap16 = 69,
  bswap32 = 70,
  bswap64 = 71,
  addr_space_cast = 72,
  ldx8 = 73,
  ldxs8 = 74,
  st8 = 75,
  stx8 = 76,
  ldx16 = 77,
  ldxs16 = 78,
  st16 = 79,
  stx16 = 80,
  ldx32 = 81,
  ldxs32 = 82,
  st32 = 83,
  stx32 = 84,
  ldx64 = 85,
  st64 = 86,
  stx64 = 87,
  atomic_add32 = 88,
  atomic_add64 = 89,
  atomic_fetch_add32 = 90,
  atomic_fetch_add64 = 91,
  atomic_or32 = 92,
  atomic_or64 = 93,
  atomic_fetch_or32 = 94,
  atomic_fetch_or64 = 95,
  atomic_and32 = 96,
  atomic_and64 = 97,
  atomic_fetch_and32 = 98,
  atomic_fetch_and64 = 99,
  atomic_xor32 = 100,
  atomic_xor64 = 101,
  atomic_fetch_xor32 = 102,
  atomic_fetch_xor64 = 103,
  atomic_xchg32 = 104,
  atomic_xchg64 = 105,
  atomic_cmpxchg32 = 106,
  atomic_cmpxchg64 = 107,
  atomic_load_acq8 = 108,
  atomic_load_acq16 = 109,
  atomic_load_acq32 = 110,
  atomic_load_acq64 = 111,
  atomic_store_rel8 = 112,
  atomic_store_rel16 = 113,
  atomic_store_rel32 = 114,
  atomic_store_rel64 = 115,
  ldabs8 = 116,
  ldind8 = 117,
  ldabs16 = 118,
  ldind16 = 119,
  ldabs32 = 120,
  ldind32 = 121,
  lddw = 122,
  lddw_map_fd = 123,
  lddw_map_value = 124,
  lddw_btf_id = 125,
  lddw_func = 126,
  lddw_map_idx = 127,
  lddw_map_idx_value = 128,
  ja = 129,
  ja32 = 130,
  jeq64_imm = 131,
  jeq64_reg = 132,
  jgt64_imm = 133,
  jgt64_reg = 134,
  jge64_imm = 135,
  jge64_reg = 136,
  jset64_imm = 137,
  jset64_reg = 138,
  jne64_imm = 139,
  jne64_reg = 140,
  jsgt64_imm = 141,
  jsgt64_reg = 142,
  jsge64_imm = 143,
  jsge64_reg = 144,
  jlt64_imm = 145,
  jlt64_reg = 146,
  jle64_imm = 147,
  jle64_reg = 148,
  jslt64_imm = 149,
  jslt64_reg = 150,
  jsle64_imm = 151,
  jsle64_reg = 152,
  jeq32_imm = 153,
  jeq32_reg = 154,
  jgt32_imm = 155,
  jgt32_reg = 156,
  jge32_imm = 157,
  jge32_reg = 158,
  jset32_imm = 159,
  jset32_reg = 160,
  jne32_imm = 161,
  jne32_reg = 162,
  jsgt32_imm = 163,
  jsgt32_reg = 164,
  jsge32_imm = 165,
  jsge32_reg = 166,
  jlt32_imm = 167,
  jlt32_reg = 168,
  jle32_imm = 169,
  jle32_reg = 170,
  jslt32_imm = 171,
  jslt32_reg = 172,
  jsle32_imm = 173,
  jsle32_reg = 174,
  may_goto = 175,
  call = 176,
  call_sub = 177,
  call_kfunc = 178,
  callx = 179,
  exit = 180,
  /** The second slot of a lddw. */
  hole = 181,
}

/** Names of the members of `Op`, `hole` left out. */
export type OpName =
  | 'add64_imm'
  | 'add64_reg'
  | 'sub64_imm'
  | 'sub64_reg'
  | 'mul64_imm'
  | 'mul64_reg'
  | 'div64_imm'
  | 'div64_reg'
  | 'or64_imm'
  | 'or64_reg'
  | 'and64_imm'
  | 'and64_reg'
  | 'lsh64_imm'
  | 'lsh64_reg'
  | 'rsh64_imm'
  | 'rsh64_reg'
  | 'mod64_imm'
  | 'mod64_reg'
  | 'xor64_imm'
  | 'xor64_reg'
  | 'mov64_imm'
  | 'mov64_reg'
  | 'arsh64_imm'
  | 'arsh64_reg'
  | 'sdiv64_imm'
  | 'sdiv64_reg'
  | 'smod64_imm'
  | 'smod64_reg'
  | 'neg64'
  | 'movsx8to64'
  | 'movsx16to64'
  | 'movsx32to64'
  | 'add32_imm'
  | 'add32_reg'
  | 'sub32_imm'
  | 'sub32_reg'
  | 'mul32_imm'
  | 'mul32_reg'
  | 'div32_imm'
  | 'div32_reg'
  | 'or32_imm'
  | 'or32_reg'
  | 'and32_imm'
  | 'and32_reg'
  | 'lsh32_imm'
  | 'lsh32_reg'
  | 'rsh32_imm'
  | 'rsh32_reg'
  | 'mod32_imm'
  | 'mod32_reg'
  | 'xor32_imm'
  | 'xor32_reg'
  | 'mov32_imm'
  | 'mov32_reg'
  | 'arsh32_imm'
  | 'arsh32_reg'
  | 'sdiv32_imm'
  | 'sdiv32_reg'
  | 'smod32_imm'
  | 'smod32_reg'
  | 'neg32'
  | 'movsx8to32'
  | 'movsx16to32'
  | 'le16'
  | 'le32'
  | 'le64'
  | 'be16'
  | 'be32'
  | 'be64'
  | 'bswap16'
  | 'bswap32'
  | 'bswap64'
  | 'addr_space_cast'
  | 'ldx8'
  | 'ldxs8'
  | 'st8'
  | 'stx8'
  | 'ldx16'
  | 'ldxs16'
  | 'st16'
  | 'stx16'
  | 'ldx32'
  | 'ldxs32'
  | 'st32'
  | 'stx32'
  | 'ldx64'
  | 'st64'
  | 'stx64'
  | 'atomic_add32'
  | 'atomic_add64'
  | 'atomic_fetch_add32'
  | 'atomic_fetch_add64'
  | 'atomic_or32'
  | 'atomic_or64'
  | 'atomic_fetch_or32'
  | 'atomic_fetch_or64'
  | 'atomic_and32'
  | 'atomic_and64'
  | 'atomic_fetch_and32'
  | 'atomic_fetch_and64'
  | 'atomic_xor32'
  | 'atomic_xor64'
  | 'atomic_fetch_xor32'
  | 'atomic_fetch_xor64'
  | 'atomic_xchg32'
  | 'atomic_xchg64'
  | 'atomic_cmpxchg32'
  | 'atomic_cmpxchg64'
  | 'atomic_load_acq8'
  | 'atomic_load_acq16'
  | 'atomic_load_acq32'
  | 'atomic_load_acq64'
  | 'atomic_store_rel8'
  | 'atomic_store_rel16'
  | 'atomic_store_rel32'
  | 'atomic_store_rel64'
  | 'ldabs8'
  | 'ldind8'
  | 'ldabs16'
  | 'ldind16'
  | 'ldabs32'
  | 'ldind32'
  | 'lddw'
  | 'lddw_map_fd'
  | 'lddw_map_value'
  | 'lddw_btf_id'
  | 'lddw_func'
  | 'lddw_map_idx'
  | 'lddw_map_idx_value'
  | 'ja'
  | 'ja32'
  | 'jeq64_imm'
  | 'jeq64_reg'
  | 'jgt64_imm'
  | 'jgt64_reg'
  | 'jge64_imm'
  | 'jge64_reg'
  | 'jset64_imm'
  | 'jset64_reg'
  | 'jne64_imm'
  | 'jne64_reg'
  | 'jsgt64_imm'
  | 'jsgt64_reg'
  | 'jsge64_imm'
  | 'jsge64_reg'
  | 'jlt64_imm'
  | 'jlt64_reg'
  | 'jle64_imm'
  | 'jle64_reg'
  | 'jslt64_imm'
  | 'jslt64_reg'
  | 'jsle64_imm'
  | 'jsle64_reg'
  | 'jeq32_imm'
  | 'jeq32_reg'
  | 'jgt32_imm'
  | 'jgt32_reg'
  | 'jge32_imm'
  | 'jge32_reg'
  | 'jset32_imm'
  | 'jset32_reg'
  | 'jne32_imm'
  | 'jne32_reg'
  | 'jsgt32_imm'
  | 'jsgt32_reg'
  | 'jsge32_imm'
  | 'jsge32_reg'
  | 'jlt32_imm'
  | 'jlt32_reg'
  | 'jle32_imm'
  | 'jle32_reg'
  | 'jslt32_imm'
  | 'jslt32_reg'
  | 'jsle32_imm'
  | 'jsle32_reg'
  | 'may_goto'
  | 'call'
  | 'call_sub'
  | 'call_kfunc'
  | 'callx'
  | 'exit'
;
