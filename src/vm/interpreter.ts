/**
 * The interpreter: one loop, one `switch` over the dense ops. Registers are pairs of words in an Int32Array; nothing in
 * the loop allocates or makes a BigInt. It is the reference for what a program does.
 */
import type { BpfFault } from '../errors.js';
import { BpfError } from '../errors.js';
import type { RunState } from '../helpers/run-state.js';
import { Op } from '../isa/op.gen.js';
import { ROWS } from '../isa/ops.js';
import type { BpfMemory } from '../memory/memory.js';
import type { Engine, EngineOptions, ProgramImage, Resumable } from './engine.js';
import { STACK_FRAME_SIZE } from './engine.js';
import { programFault } from './faults.js';
import { sdiv64, smod64, swap16, swap32, udiv64, umod64 } from './int64.js';
import { atomicAccess, memoryAccess } from './access.js';
import { Machine } from './machine.js';
import { Internal, Reg, Word } from './translate.js';

export const interpreter: Engine = {
  name: 'interpreter',
  compile: (image, memory, run, options) => new InterpretedProgram(image, memory, run, options),
};

class InterpretedProgram implements Resumable {
  resultHi = 0;
  insnsExecuted = 0;
  private readonly machine: Machine;
  /** The program again, with a stack of its own. */
  private nested: InterpretedProgram | undefined;

  constructor(image: ProgramImage, memory: BpfMemory, run: RunState, options: EngineOptions) {
    this.machine = new Machine(image, memory, run, options, execute);
  }

  get stackBase(): number {
    return this.machine.stack.base;
  }

  run(ctx: number): number {
    const { run } = this.machine;
    run.ctx = ctx;
    run.tailCall = null;
    run.tailCalls = 0;
    run.insns = 0;
    return this.enter(ctx);
  }

  enter(ctx: number): number {
    const { machine } = this;
    if (machine.isActive && machine.depth > 0) return this.enterNested(ctx);
    machine.registers[2] = ctx;
    machine.registers[3] = 0;
    return this.execute(0, 0);
  }

  /** A tail call from a subprogram leaves the frames below it alive, also where the program calls itself. */
  private enterNested(ctx: number): number {
    const { image, memory, run, options } = this.machine;
    this.nested ??= new InterpretedProgram(image, memory, run, options);
    const low = this.nested.enter(ctx);
    this.resultHi = this.nested.resultHi;
    return low;
  }

  resume(pc: number, registers: Int32Array, frameBase: number): number {
    const { machine } = this;
    const { callback } = machine.run;
    machine.registers.set(registers.subarray(0, Reg.R10));
    try {
      return this.execute(pc, (frameBase - machine.stack.base) / STACK_FRAME_SIZE);
    } finally {
      machine.run.callback = callback;
    }
  }

  private execute(pc: number, depth: number): number {
    const { machine } = this;
    const isOutermost = !machine.isActive;
    if (isOutermost) machine.refill();
    machine.isActive = true;
    machine.start(depth);
    try {
      execute(machine, machine.code.positions[pc]);
    } catch (error) {
      throw error instanceof RangeError && machine.options.checks !== 'exact'
        ? strayAccess(machine, error)
        : error;
    } finally {
      if (isOutermost) {
        machine.isActive = false;
        machine.run.insns += machine.executed;
      }
      this.insnsExecuted = machine.run.insns;
    }
    this.resultHi = machine.registers[1];
    return machine.registers[0];
  }
}

/** An access that was not checked left the memory altogether; only a wrong proof leads here. */
function strayAccess(machine: Machine, cause: RangeError): BpfFault {
  const detail = `an unchecked access left the address space: ${cause.message}`;
  return programFault(machine.image, { kind: 'bad-address', pc: -1, detail });
}

/** Why the hot loop was left. */
const enum Exit {
  Return,
  /** A memory access that is not predicted, or an unaligned store. */
  Memory,
  Atomic,
  Divide,
  Call,
  Packet,
  Fuel,
  Depth,
  Step,
  Trap,
}

/**
 * Runs from position `start` to the exit of the frame that is on top now.
 *
 * The inner loop calls nothing: so V8 looks up the array once an instruction and keeps what it needs in registers, which
 * is a quarter faster. What needs a call leaves the loop, is done, and enters it again. `| 0` keeps positions and fuel
 * plain integers.
 *
 * A case ends with `continue` for the next instruction, with `break` for a taken jump to the position in word 1, or with
 * `break hot`. Fuel is paid at jumps alone: the distance between where a jump leads and where the next instruction is, so
 * that the sum of all is the number of instructions.
 */
function execute(machine: Machine, start: number): void {
  const { registers: r, memory } = machine;
  const bottom = machine.depth;
  let { u8, u16, i32, view, generation } = memory;
  let p = start | 0;
  let depth = bottom | 0;
  let left = (machine.left + p) | 0;
  for (;;) {
    let exit: Exit;
    hot: for (; ; p = (p + Word.Stride) | 0) {
      const w = r[p];
      const d = (w >> 8) & 31;
      const s = w >>> 13;
      const op = (w & 255) as Op | Internal;
      switch (op) {
        case Op.add64_imm:
        case Op.add64_reg: {
          const a = r[d];
          const b = r[s];
          const lo = (a + b) | 0;
          // The carry out of bit 31, without a branch: on hashes it could not be predicted.
          r[d + 1] = (r[d + 1] + r[s + 1] + (((a & b) | ((a | b) & ~lo)) >>> 31)) | 0;
          r[d] = lo;
          continue;
        }
        case Internal.Lea: {
          const t = r[p + Word.Stride] >>> 13;
          const a = r[s];
          const b = r[t];
          const lo = (a + b) | 0;
          r[d + 1] = (r[s + 1] + r[t + 1] + (((a & b) | ((a | b) & ~lo)) >>> 31)) | 0;
          r[d] = lo;
          p = (p + Word.Stride) | 0;
          continue;
        }
        case Op.sub64_imm:
        case Op.sub64_reg: {
          const a = r[d];
          const b = r[s];
          const lo = (a - b) | 0;
          r[d + 1] = (r[d + 1] - r[s + 1] - (((~a & b) | (~(a ^ b) & lo)) >>> 31)) | 0;
          r[d] = lo;
          continue;
        }
        case Op.mul64_imm:
        case Op.mul64_reg: {
          const al = r[d];
          const bl = r[s];
          const cross = (Math.imul(r[d + 1], bl) + Math.imul(al, r[s + 1])) | 0;
          // The high word of al * bl, from products of 16-bit halves.
          const a0 = al & 0xffff;
          const a1 = al >>> 16;
          const b0 = bl & 0xffff;
          const b1 = bl >>> 16;
          const t = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
          const u = (Math.imul(a0, b1) + (t & 0xffff)) | 0;
          r[d] = Math.imul(al, bl);
          r[d + 1] = (Math.imul(a1, b1) + (t >>> 16) + (u >>> 16) + cross) | 0;
          continue;
        }
        case Op.div64_imm:
        case Op.div64_reg:
          if ((r[d + 1] | r[s + 1]) !== 0 || r[s] === 0) {
            exit = Exit.Divide;
            break hot;
          }
          r[d] = ((r[d] >>> 0) / (r[s] >>> 0)) | 0;
          continue;
        case Op.mod64_imm:
        case Op.mod64_reg:
          if ((r[d + 1] | r[s + 1]) !== 0 || r[s] === 0) {
            exit = Exit.Divide;
            break hot;
          }
          r[d] = ((r[d] >>> 0) % (r[s] >>> 0)) | 0;
          continue;
        case Op.sdiv64_imm:
        case Op.sdiv64_reg:
        case Op.smod64_imm:
        case Op.smod64_reg:
          exit = Exit.Divide;
          break hot;
        case Op.or64_imm:
        case Op.or64_reg:
          r[d] = r[d] | r[s];
          r[d + 1] = r[d + 1] | r[s + 1];
          continue;
        case Op.and64_imm:
        case Op.and64_reg:
          r[d] = r[d] & r[s];
          r[d + 1] = r[d + 1] & r[s + 1];
          continue;
        case Op.xor64_imm:
        case Op.xor64_reg:
          r[d] = r[d] ^ r[s];
          r[d + 1] = r[d + 1] ^ r[s + 1];
          continue;
        case Op.or32_imm:
        case Op.or32_reg:
          r[d] = r[d] | r[s];
          r[d + 1] = 0;
          continue;
        case Op.and32_imm:
        case Op.and32_reg:
          r[d] = r[d] & r[s];
          r[d + 1] = 0;
          continue;
        case Op.xor32_imm:
        case Op.xor32_reg:
          r[d] = r[d] ^ r[s];
          r[d + 1] = 0;
          continue;
        case Op.mov64_imm:
        case Op.mov64_reg:
        case Op.lddw:
        case Op.lddw_map_fd:
        case Op.lddw_map_value:
        case Op.lddw_btf_id:
        case Op.lddw_func:
        case Op.lddw_map_idx:
        case Op.lddw_map_idx_value:
        case Op.addr_space_cast:
          r[d] = r[s];
          r[d + 1] = r[s + 1];
          continue;
        case Op.mov32_imm:
        case Op.mov32_reg:
          r[d] = r[s];
          r[d + 1] = 0;
          continue;
        case Op.lsh64_imm:
        case Op.lsh64_reg: {
          const n = r[s] & 63;
          const lo = r[d];
          if (n >= 32) {
            r[d] = 0;
            r[d + 1] = lo << (n - 32);
          } else {
            // A shift by 32 - n in two steps: a single one would be a shift by 0 where n is 0.
            r[d] = lo << n;
            r[d + 1] = (r[d + 1] << n) | ((lo >>> 1) >>> (31 - n));
          }
          continue;
        }
        case Op.rsh64_imm:
        case Op.rsh64_reg: {
          const n = r[s] & 63;
          const hi = r[d + 1];
          if (n >= 32) {
            r[d] = hi >>> (n - 32);
            r[d + 1] = 0;
          } else {
            r[d] = (r[d] >>> n) | ((hi << 1) << (31 - n));
            r[d + 1] = hi >>> n;
          }
          continue;
        }
        case Op.arsh64_imm:
        case Op.arsh64_reg: {
          const n = r[s] & 63;
          const hi = r[d + 1];
          if (n >= 32) {
            r[d] = hi >> (n - 32);
            r[d + 1] = hi >> 31;
          } else {
            r[d] = (r[d] >>> n) | ((hi << 1) << (31 - n));
            r[d + 1] = hi >> n;
          }
          continue;
        }
        case Op.neg64: {
          const lo = -r[d] | 0;
          r[d] = lo;
          r[d + 1] = (~r[d + 1] + (lo === 0 ? 1 : 0)) | 0;
          continue;
        }
        case Op.movsx8to64: {
          const lo = (r[s] << 24) >> 24;
          r[d] = lo;
          r[d + 1] = lo >> 31;
          continue;
        }
        case Op.movsx16to64: {
          const lo = (r[s] << 16) >> 16;
          r[d] = lo;
          r[d + 1] = lo >> 31;
          continue;
        }
        case Op.movsx32to64: {
          const lo = r[s];
          r[d] = lo;
          r[d + 1] = lo >> 31;
          continue;
        }
        case Op.movsx8to32:
          r[d] = (r[s] << 24) >> 24;
          r[d + 1] = 0;
          continue;
        case Op.movsx16to32:
          r[d] = (r[s] << 16) >> 16;
          r[d + 1] = 0;
          continue;
        case Op.add32_imm:
        case Op.add32_reg:
          r[d] = (r[d] + r[s]) | 0;
          r[d + 1] = 0;
          continue;
        case Op.sub32_imm:
        case Op.sub32_reg:
          r[d] = (r[d] - r[s]) | 0;
          r[d + 1] = 0;
          continue;
        case Op.mul32_imm:
        case Op.mul32_reg:
          r[d] = Math.imul(r[d], r[s]);
          r[d + 1] = 0;
          continue;
        case Op.lsh32_imm:
        case Op.lsh32_reg:
          r[d] = r[d] << r[s];
          r[d + 1] = 0;
          continue;
        case Op.rsh32_imm:
        case Op.rsh32_reg:
          r[d] = r[d] >>> r[s];
          r[d + 1] = 0;
          continue;
        case Op.arsh32_imm:
        case Op.arsh32_reg:
          r[d] = r[d] >> r[s];
          r[d + 1] = 0;
          continue;
        case Op.div32_imm:
        case Op.div32_reg:
          r[d] = r[s] === 0 ? 0 : ((r[d] >>> 0) / (r[s] >>> 0)) | 0;
          r[d + 1] = 0;
          continue;
        case Op.mod32_imm:
        case Op.mod32_reg:
          r[d] = r[s] === 0 ? r[d] : ((r[d] >>> 0) % (r[s] >>> 0)) | 0;
          r[d + 1] = 0;
          continue;
        case Op.sdiv32_imm:
        case Op.sdiv32_reg:
          r[d] = r[s] === 0 ? 0 : (r[d] / r[s]) | 0;
          r[d + 1] = 0;
          continue;
        case Op.smod32_imm:
        case Op.smod32_reg:
          r[d] = r[s] === 0 ? r[d] : (r[d] % r[s]) | 0;
          r[d + 1] = 0;
          continue;
        case Op.neg32:
          r[d] = -r[d] | 0;
          r[d + 1] = 0;
          continue;
        case Op.le16:
          r[d] = r[d] & 0xffff;
          r[d + 1] = 0;
          continue;
        case Op.le32:
          r[d + 1] = 0;
          continue;
        case Op.le64:
          continue;
        case Op.be16:
        case Op.bswap16:
          r[d] = swap16(r[d]);
          r[d + 1] = 0;
          continue;
        case Op.be32:
        case Op.bswap32:
          r[d] = swap32(r[d]);
          r[d + 1] = 0;
          continue;
        case Op.be64:
        case Op.bswap64: {
          const lo = r[d];
          r[d] = swap32(r[d + 1]);
          r[d + 1] = swap32(lo);
          continue;
        }
        case Op.ldx8: {
          const base = r[s];
          if (r[s + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          r[d] = u8[at];
          r[d + 1] = 0;
          continue;
        }
        case Op.ldx16: {
          const base = r[s];
          if (r[s + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          r[d] = view.getUint16(at, true);
          r[d + 1] = 0;
          continue;
        }
        case Op.ldx32: {
          const base = r[s];
          if (r[s + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          r[d] = view.getInt32(at, true);
          r[d + 1] = 0;
          continue;
        }
        case Op.ldxs8: {
          const base = r[s];
          if (r[s + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          const lo = (u8[at] << 24) >> 24;
          r[d] = lo;
          r[d + 1] = lo >> 31;
          continue;
        }
        case Op.ldxs16: {
          const base = r[s];
          if (r[s + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          const lo = view.getInt16(at, true);
          r[d] = lo;
          r[d + 1] = lo >> 31;
          continue;
        }
        case Op.ldxs32: {
          const base = r[s];
          if (r[s + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          const lo = view.getInt32(at, true);
          r[d] = lo;
          r[d + 1] = lo >> 31;
          continue;
        }
        case Op.ldx64: {
          const base = r[s];
          if (r[s + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          r[d] = view.getInt32(at, true);
          r[d + 1] = view.getInt32(at + 4, true);
          continue;
        }
        case Op.st8:
        case Op.stx8: {
          const base = r[d];
          if (r[d + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          u8[at] = r[s];
          continue;
        }
        case Op.st16:
        case Op.stx16: {
          const base = r[d];
          if (r[d + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          if ((at & 1) !== 0) {
            exit = Exit.Memory;
            break hot;
          }
          u16[at >> 1] = r[s];
          continue;
        }
        case Op.st32:
        case Op.stx32: {
          const base = r[d];
          if (r[d + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          if ((at & 3) !== 0) {
            exit = Exit.Memory;
            break hot;
          }
          i32[at >> 2] = r[s];
          continue;
        }
        case Op.st64:
        case Op.stx64: {
          const base = r[d];
          if (r[d + 1] !== 0 || (base - r[p + 2]) >>> 0 >= r[p + 3] >>> 0) {
            exit = Exit.Memory;
            break hot;
          }
          const at = (base + r[p + 1]) | 0;
          if ((at & 3) !== 0) {
            exit = Exit.Memory;
            break hot;
          }
          i32[at >> 2] = r[s];
          i32[(at >> 2) + 1] = r[s + 1];
          continue;
        }
        case Op.atomic_add32:
        case Op.atomic_fetch_add32:
        case Op.atomic_add64:
        case Op.atomic_fetch_add64:
        case Op.atomic_or32:
        case Op.atomic_fetch_or32:
        case Op.atomic_or64:
        case Op.atomic_fetch_or64:
        case Op.atomic_and32:
        case Op.atomic_fetch_and32:
        case Op.atomic_and64:
        case Op.atomic_fetch_and64:
        case Op.atomic_xor32:
        case Op.atomic_fetch_xor32:
        case Op.atomic_xor64:
        case Op.atomic_fetch_xor64:
        case Op.atomic_xchg32:
        case Op.atomic_xchg64:
        case Op.atomic_cmpxchg32:
        case Op.atomic_cmpxchg64:
        case Op.atomic_load_acq8:
        case Op.atomic_load_acq16:
        case Op.atomic_load_acq32:
        case Op.atomic_load_acq64:
        case Op.atomic_store_rel8:
        case Op.atomic_store_rel16:
        case Op.atomic_store_rel32:
        case Op.atomic_store_rel64:
          exit = Exit.Atomic;
          break hot;
        case Op.jeq64_imm:
        case Op.jeq64_reg:
          if (r[d] === r[s] && r[d + 1] === r[s + 1]) break;
          continue;
        case Op.jeq32_imm:
        case Op.jeq32_reg:
          if (r[d] === r[s]) break;
          continue;
        case Op.jne64_imm:
        case Op.jne64_reg:
          if (r[d] !== r[s] || r[d + 1] !== r[s + 1]) break;
          continue;
        case Op.jne32_imm:
        case Op.jne32_reg:
          if (r[d] !== r[s]) break;
          continue;
        case Op.jset64_imm:
        case Op.jset64_reg:
          if (((r[d] & r[s]) | (r[d + 1] & r[s + 1])) !== 0) break;
          continue;
        case Op.jset32_imm:
        case Op.jset32_reg:
          if ((r[d] & r[s]) !== 0) break;
          continue;
        case Op.jgt64_imm:
        case Op.jgt64_reg:
          if (r[d + 1] === r[s + 1] ? r[d] >>> 0 > r[s] >>> 0 : r[d + 1] >>> 0 > r[s + 1] >>> 0) break;
          continue;
        case Op.jgt32_imm:
        case Op.jgt32_reg:
          if (r[d] >>> 0 > r[s] >>> 0) break;
          continue;
        case Op.jsgt64_imm:
        case Op.jsgt64_reg:
          if (r[d + 1] === r[s + 1] ? r[d] >>> 0 > r[s] >>> 0 : r[d + 1] > r[s + 1]) break;
          continue;
        case Op.jsgt32_imm:
        case Op.jsgt32_reg:
          if (r[d] > r[s]) break;
          continue;
        case Op.jge64_imm:
        case Op.jge64_reg:
          if (r[d + 1] === r[s + 1] ? r[d] >>> 0 >= r[s] >>> 0 : r[d + 1] >>> 0 > r[s + 1] >>> 0) break;
          continue;
        case Op.jge32_imm:
        case Op.jge32_reg:
          if (r[d] >>> 0 >= r[s] >>> 0) break;
          continue;
        case Op.jsge64_imm:
        case Op.jsge64_reg:
          if (r[d + 1] === r[s + 1] ? r[d] >>> 0 >= r[s] >>> 0 : r[d + 1] > r[s + 1]) break;
          continue;
        case Op.jsge32_imm:
        case Op.jsge32_reg:
          if (r[d] >= r[s]) break;
          continue;
        case Op.jlt64_imm:
        case Op.jlt64_reg:
          if (r[d + 1] === r[s + 1] ? r[d] >>> 0 < r[s] >>> 0 : r[d + 1] >>> 0 < r[s + 1] >>> 0) break;
          continue;
        case Op.jlt32_imm:
        case Op.jlt32_reg:
          if (r[d] >>> 0 < r[s] >>> 0) break;
          continue;
        case Op.jslt64_imm:
        case Op.jslt64_reg:
          if (r[d + 1] === r[s + 1] ? r[d] >>> 0 < r[s] >>> 0 : r[d + 1] < r[s + 1]) break;
          continue;
        case Op.jslt32_imm:
        case Op.jslt32_reg:
          if (r[d] < r[s]) break;
          continue;
        case Op.jle64_imm:
        case Op.jle64_reg:
          if (r[d + 1] === r[s + 1] ? r[d] >>> 0 <= r[s] >>> 0 : r[d + 1] >>> 0 < r[s + 1] >>> 0) break;
          continue;
        case Op.jle32_imm:
        case Op.jle32_reg:
          if (r[d] >>> 0 <= r[s] >>> 0) break;
          continue;
        case Op.jsle64_imm:
        case Op.jsle64_reg:
          if (r[d + 1] === r[s + 1] ? r[d] >>> 0 <= r[s] >>> 0 : r[d + 1] < r[s + 1]) break;
          continue;
        case Op.jsle32_imm:
        case Op.jsle32_reg:
          if (r[d] <= r[s]) break;
          continue;
        case Op.ja:
        case Op.ja32:
          break;
        case Op.may_goto: {
          const budget = r[Reg.Budgets + depth];
          if (budget === 0) break;
          r[Reg.Budgets + depth] = budget - 1;
          continue;
        }
        case Op.call:
        case Op.call_kfunc:
          exit = Exit.Call;
          break hot;
        case Op.call_sub: {
          if (depth >= Word.MaxFrames - 1) {
            exit = Exit.Depth;
            break hot;
          }
          const at = Reg.Frames + depth * Word.Frame;
          r[at] = p + Word.Stride;
          r[at + 1] = r[12];
          r[at + 2] = r[13];
          r[at + 3] = r[14];
          r[at + 4] = r[15];
          r[at + 5] = r[16];
          r[at + 6] = r[17];
          r[at + 7] = r[18];
          r[at + 8] = r[19];
          depth = (depth + 1) | 0;
          r[Reg.Budgets + depth] = Word.MayGoto;
          r[Reg.R10] = r[Reg.R10] + Word.FrameSize;
          break;
        }
        case Op.exit: {
          if (depth === bottom) {
            exit = Exit.Return;
            break hot;
          }
          depth = (depth - 1) | 0;
          const at = Reg.Frames + depth * Word.Frame;
          r[12] = r[at + 1];
          r[13] = r[at + 2];
          r[14] = r[at + 3];
          r[15] = r[at + 4];
          r[16] = r[at + 5];
          r[17] = r[at + 6];
          r[18] = r[at + 7];
          r[19] = r[at + 8];
          r[Reg.R10] = r[Reg.R10] - Word.FrameSize;
          const back = r[at];
          left = (left + back - p - Word.Stride) | 0;
          p = (back - Word.Stride) | 0;
          continue;
        }
        case Op.ldabs8:
        case Op.ldabs16:
        case Op.ldabs32:
        case Op.ldind8:
        case Op.ldind16:
        case Op.ldind32:
          exit = Exit.Packet;
          break hot;
        case Internal.Step:
          exit = Exit.Step;
          break hot;
        case Op.callx:
        case Op.hole:
          exit = Exit.Trap;
          break hot;
        default:
          unreachable(op);
      }
      const target = r[p + 1];
      left = (left + target - p - Word.Stride) | 0;
      p = (target - Word.Stride) | 0;
      if (left < target) {
        exit = Exit.Fuel;
        break;
      }
    }
    machine.depth = depth;
    machine.left = left - p - Word.Stride;
    switch (exit) {
      case Exit.Return:
        return;
      case Exit.Call:
        if (machine.callHelper(r[p + 1], p)) p = machine.code.exitAt - Word.Stride;
        break;
      case Exit.Memory:
        memoryAccess(machine, p);
        break;
      case Exit.Atomic:
        atomicAccess(machine, p);
        break;
      case Exit.Divide:
        divide(r, r[p]);
        break;
      case Exit.Fuel:
        machine.refuel(p + Word.Stride);
        break;
      case Exit.Packet:
        if (!loadPacket(machine, p)) p = machine.code.exitAt - Word.Stride;
        break;
      case Exit.Step:
        machine.step(p);
        break;
      case Exit.Depth:
        throw machine.tooDeep(p);
      case Exit.Trap:
        throw trap(machine, p);
      default:
        unreachable(exit);
    }
    p = (p + Word.Stride) | 0;
    left = (machine.left + p) | 0;
    if (generation !== memory.generation) ({ u8, u16, i32, view, generation } = memory);
  }
}

/** The compiler knows that no value is left. */
function unreachable(value: never): never {
  throw new BpfError('ERR_BPF_INTERNAL', `no case for ${String(value)}`);
}

/** A 64-bit division that does not fit 32 bits, or is signed. */
function divide(r: Int32Array, word: number): void {
  const d = (word >> 8) & 31;
  const s = word >>> 13;
  switch ((word & 255) as Op) {
    case Op.div64_imm:
    case Op.div64_reg:
      udiv64(r, d, s);
      break;
    case Op.mod64_imm:
    case Op.mod64_reg:
      umod64(r, d, s);
      break;
    case Op.sdiv64_imm:
    case Op.sdiv64_reg:
      sdiv64(r, d, s);
      break;
    default:
      smod64(r, d, s);
  }
}

/** ldabs and ldind. False beyond the end of the packet, where the frame ends with r0 = 0. */
function loadPacket(machine: Machine, p: number): boolean {
  const { words } = machine.code;
  const row = ROWS[words[p] & 255];
  const index = row.kind === 'ldind' ? machine.registers[words[p] >>> 13] : 0;
  return machine.loadPacket((index + words[p + 1]) | 0, row.width / 8);
}

function trap(machine: Machine, p: number): BpfFault {
  return (machine.code.words[p] & 255) === (Op.callx as number)
    ? machine.fault('bad-call-target', p, { detail: 'call through a register' })
    : machine.fault('illegal-instruction', p, { detail: 'no instruction starts here' });
}
