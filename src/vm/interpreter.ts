/**
 * The interpreter: one loop, one `switch` over the dense ops. Registers are pairs of words in an Int32Array; nothing in
 * the loop allocates or makes a BigInt. It is the reference for what a program does.
 */
import type { BpfFault } from '../errors.js';
import type { RunState } from '../helpers/run-state.js';
import { Op } from '../isa/op.gen.js';
import type { BpfMemory } from '../memory/memory.js';
import type { Engine, EngineOptions, ProgramImage, Resumable } from './engine.js';
import { STACK_FRAME_SIZE } from './engine.js';
import { programFault } from './faults.js';
import { mul64, neg64, sdiv64, smod64, swap16, swap32, udiv64, umod64 } from './int64.js';
import { Machine } from './machine.js';
import { Internal, Reg, STRIDE } from './translate.js';

const enum Access {
  Read = 0,
  Write = 1,
  Atomic = 2,
}

export const interpreter: Engine = {
  name: 'interpreter',
  compile: (image, memory, run, options) => new InterpretedProgram(image, memory, run, options),
};

class InterpretedProgram implements Resumable {
  resultHi = 0;
  insnsExecuted = 0;
  private readonly machine: Machine;

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
    machine.registers[2] = ctx;
    machine.registers[3] = 0;
    // A tail call from a subprogram leaves the frames below it alive, also where the program calls itself.
    return this.execute(0, machine.isActive ? machine.depth : 0);
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

/**
 * Runs from position `p` to the exit of the frame that is on top now.
 *
 * A case ends with `continue` for the next instruction or with `break` for a taken jump to the position in word 1. Fuel
 * is paid at jumps alone: the difference between where a jump leads and where the next instruction is, so that the sum of
 * all is the number of instructions.
 */
function execute(machine: Machine, p: number): void {
  const { registers: r, memory } = machine;
  const code = machine.code.words;
  const bottom = machine.depth;
  let { u8, view, generation } = memory;
  let left = machine.left + p;
  for (; ; p += STRIDE) {
    const w = code[p];
    const d = (w >> 8) & 31;
    const s = w >>> 13;
    const op = (w & 255) as Op | Internal;
    switch (op) {
      case Op.add64_imm:
      case Op.add64_reg: {
        const lo = (r[d] + r[s]) | 0;
        r[d + 1] = r[d + 1] + r[s + 1] + (lo >>> 0 < r[s] >>> 0 ? 1 : 0);
        r[d] = lo;
        continue;
      }
      case Op.sub64_imm:
      case Op.sub64_reg: {
        const borrow = r[d] >>> 0 < r[s] >>> 0 ? 1 : 0;
        r[d + 1] = r[d + 1] - r[s + 1] - borrow;
        r[d] = r[d] - r[s];
        continue;
      }
      case Op.mul64_imm:
      case Op.mul64_reg: {
        mul64(r, d, s);
        continue;
      }
      case Op.div64_imm:
      case Op.div64_reg: {
        udiv64(r, d, s);
        continue;
      }
      case Op.mod64_imm:
      case Op.mod64_reg: {
        umod64(r, d, s);
        continue;
      }
      case Op.sdiv64_imm:
      case Op.sdiv64_reg: {
        sdiv64(r, d, s);
        continue;
      }
      case Op.smod64_imm:
      case Op.smod64_reg: {
        smod64(r, d, s);
        continue;
      }
      case Op.or64_imm:
      case Op.or64_reg: {
        r[d] = r[d] | r[s];
        r[d + 1] = r[d + 1] | r[s + 1];
        continue;
      }
      case Op.and64_imm:
      case Op.and64_reg: {
        r[d] = r[d] & r[s];
        r[d + 1] = r[d + 1] & r[s + 1];
        continue;
      }
      case Op.xor64_imm:
      case Op.xor64_reg: {
        r[d] = r[d] ^ r[s];
        r[d + 1] = r[d + 1] ^ r[s + 1];
        continue;
      }
      case Op.or32_imm:
      case Op.or32_reg: {
        r[d] = r[d] | r[s];
        r[d + 1] = 0;
        continue;
      }
      case Op.and32_imm:
      case Op.and32_reg: {
        r[d] = r[d] & r[s];
        r[d + 1] = 0;
        continue;
      }
      case Op.xor32_imm:
      case Op.xor32_reg: {
        r[d] = r[d] ^ r[s];
        r[d + 1] = 0;
        continue;
      }
      case Op.mov64_imm:
      case Op.mov64_reg:
      case Op.lddw:
      case Op.lddw_map_fd:
      case Op.lddw_map_value:
      case Op.lddw_btf_id:
      case Op.lddw_func:
      case Op.lddw_map_idx:
      case Op.lddw_map_idx_value:
      case Op.addr_space_cast: {
        r[d] = r[s];
        r[d + 1] = r[s + 1];
        continue;
      }
      case Op.mov32_imm:
      case Op.mov32_reg: {
        r[d] = r[s];
        r[d + 1] = 0;
        continue;
      }
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
        neg64(r, d);
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
      case Op.movsx8to32: {
        r[d] = (r[s] << 24) >> 24;
        r[d + 1] = 0;
        continue;
      }
      case Op.movsx16to32: {
        r[d] = (r[s] << 16) >> 16;
        r[d + 1] = 0;
        continue;
      }
      case Op.add32_imm:
      case Op.add32_reg: {
        r[d] = r[d] + r[s];
        r[d + 1] = 0;
        continue;
      }
      case Op.sub32_imm:
      case Op.sub32_reg: {
        r[d] = r[d] - r[s];
        r[d + 1] = 0;
        continue;
      }
      case Op.mul32_imm:
      case Op.mul32_reg: {
        r[d] = Math.imul(r[d], r[s]);
        r[d + 1] = 0;
        continue;
      }
      case Op.lsh32_imm:
      case Op.lsh32_reg: {
        r[d] = r[d] << r[s];
        r[d + 1] = 0;
        continue;
      }
      case Op.rsh32_imm:
      case Op.rsh32_reg: {
        r[d] = r[d] >>> r[s];
        r[d + 1] = 0;
        continue;
      }
      case Op.arsh32_imm:
      case Op.arsh32_reg: {
        r[d] = r[d] >> r[s];
        r[d + 1] = 0;
        continue;
      }
      case Op.div32_imm:
      case Op.div32_reg: {
        r[d] = r[s] === 0 ? 0 : ((r[d] >>> 0) / (r[s] >>> 0)) | 0;
        r[d + 1] = 0;
        continue;
      }
      case Op.mod32_imm:
      case Op.mod32_reg: {
        r[d] = r[s] === 0 ? r[d] : ((r[d] >>> 0) % (r[s] >>> 0)) | 0;
        r[d + 1] = 0;
        continue;
      }
      case Op.sdiv32_imm:
      case Op.sdiv32_reg: {
        r[d] = r[s] === 0 ? 0 : (r[d] / r[s]) | 0;
        r[d + 1] = 0;
        continue;
      }
      case Op.smod32_imm:
      case Op.smod32_reg: {
        r[d] = r[s] === 0 ? r[d] : (r[d] % r[s]) | 0;
        r[d + 1] = 0;
        continue;
      }
      case Op.neg32: {
        r[d] = -r[d];
        r[d + 1] = 0;
        continue;
      }
      case Op.le16: {
        r[d] = r[d] & 0xffff;
        r[d + 1] = 0;
        continue;
      }
      case Op.le32: {
        r[d + 1] = 0;
        continue;
      }
      case Op.le64: {
        continue;
      }
      case Op.be16:
      case Op.bswap16: {
        r[d] = swap16(r[d]);
        r[d + 1] = 0;
        continue;
      }
      case Op.be32:
      case Op.bswap32: {
        r[d] = swap32(r[d]);
        r[d + 1] = 0;
        continue;
      }
      case Op.be64:
      case Op.bswap64: {
        const lo = r[d];
        r[d] = swap32(r[d + 1]);
        r[d + 1] = swap32(lo);
        continue;
      }
      case Op.ldx8: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 1, Access.Read);
        const at = (r[s] + code[p + 1]) | 0;
        r[d] = u8[at];
        r[d + 1] = 0;
        continue;
      }
      case Op.ldx16: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 2, Access.Read);
        const at = (r[s] + code[p + 1]) | 0;
        r[d] = view.getUint16(at, true);
        r[d + 1] = 0;
        continue;
      }
      case Op.ldx32: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 4, Access.Read);
        const at = (r[s] + code[p + 1]) | 0;
        r[d] = view.getInt32(at, true);
        r[d + 1] = 0;
        continue;
      }
      case Op.ldxs8: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 1, Access.Read);
        const at = (r[s] + code[p + 1]) | 0;
        const lo = (u8[at] << 24) >> 24;
        r[d] = lo;
        r[d + 1] = lo >> 31;
        continue;
      }
      case Op.ldxs16: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 2, Access.Read);
        const at = (r[s] + code[p + 1]) | 0;
        const lo = view.getInt16(at, true);
        r[d] = lo;
        r[d + 1] = lo >> 31;
        continue;
      }
      case Op.ldxs32: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 4, Access.Read);
        const at = (r[s] + code[p + 1]) | 0;
        const lo = view.getInt32(at, true);
        r[d] = lo;
        r[d + 1] = lo >> 31;
        continue;
      }
      case Op.ldx64: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 8, Access.Read);
        const at = (r[s] + code[p + 1]) | 0;
        r[d] = view.getInt32(at, true);
        r[d + 1] = view.getInt32(at + 4, true);
        continue;
      }
      case Op.st8:
      case Op.stx8: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 1, Access.Write);
        const at = (r[d] + code[p + 1]) | 0;
        u8[at] = r[s];
        continue;
      }
      case Op.st16:
      case Op.stx16: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 2, Access.Write);
        const at = (r[d] + code[p + 1]) | 0;
        view.setInt16(at, r[s], true);
        continue;
      }
      case Op.st32:
      case Op.stx32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Write);
        const at = (r[d] + code[p + 1]) | 0;
        view.setInt32(at, r[s], true);
        continue;
      }
      case Op.st64:
      case Op.stx64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Write);
        const at = (r[d] + code[p + 1]) | 0;
        view.setInt32(at, r[s], true);
        view.setInt32(at + 4, r[s + 1], true);
        continue;
      }
      case Op.atomic_add32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        view.setInt32(at, view.getInt32(at, true) + r[s], true);
        continue;
      }
      case Op.atomic_fetch_add32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        const old = view.getInt32(at, true);
        view.setInt32(at, old + r[s], true);
        r[s] = old;
        r[s + 1] = 0;
        continue;
      }
      case Op.atomic_add64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        const lo = view.getInt32(at, true);
        const hi = view.getInt32(at + 4, true);
        const sum = (lo + r[s]) | 0;
        view.setInt32(at, sum, true);
        view.setInt32(at + 4, hi + r[s + 1] + (sum >>> 0 < lo >>> 0 ? 1 : 0), true);
        continue;
      }
      case Op.atomic_fetch_add64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        const lo = view.getInt32(at, true);
        const hi = view.getInt32(at + 4, true);
        const sum = (lo + r[s]) | 0;
        view.setInt32(at, sum, true);
        view.setInt32(at + 4, hi + r[s + 1] + (sum >>> 0 < lo >>> 0 ? 1 : 0), true);
        r[s] = lo;
        r[s + 1] = hi;
        continue;
      }
      case Op.atomic_or32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        view.setInt32(at, view.getInt32(at, true) | r[s], true);
        continue;
      }
      case Op.atomic_fetch_or32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        const old = view.getInt32(at, true);
        view.setInt32(at, old | r[s], true);
        r[s] = old;
        r[s + 1] = 0;
        continue;
      }
      case Op.atomic_or64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        const lo = view.getInt32(at, true);
        const hi = view.getInt32(at + 4, true);
        view.setInt32(at, lo | r[s], true);
        view.setInt32(at + 4, hi | r[s + 1], true);
        continue;
      }
      case Op.atomic_fetch_or64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        const lo = view.getInt32(at, true);
        const hi = view.getInt32(at + 4, true);
        view.setInt32(at, lo | r[s], true);
        view.setInt32(at + 4, hi | r[s + 1], true);
        r[s] = lo;
        r[s + 1] = hi;
        continue;
      }
      case Op.atomic_and32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        view.setInt32(at, view.getInt32(at, true) & r[s], true);
        continue;
      }
      case Op.atomic_fetch_and32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        const old = view.getInt32(at, true);
        view.setInt32(at, old & r[s], true);
        r[s] = old;
        r[s + 1] = 0;
        continue;
      }
      case Op.atomic_and64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        const lo = view.getInt32(at, true);
        const hi = view.getInt32(at + 4, true);
        view.setInt32(at, lo & r[s], true);
        view.setInt32(at + 4, hi & r[s + 1], true);
        continue;
      }
      case Op.atomic_fetch_and64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        const lo = view.getInt32(at, true);
        const hi = view.getInt32(at + 4, true);
        view.setInt32(at, lo & r[s], true);
        view.setInt32(at + 4, hi & r[s + 1], true);
        r[s] = lo;
        r[s + 1] = hi;
        continue;
      }
      case Op.atomic_xor32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        view.setInt32(at, view.getInt32(at, true) ^ r[s], true);
        continue;
      }
      case Op.atomic_fetch_xor32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        const old = view.getInt32(at, true);
        view.setInt32(at, old ^ r[s], true);
        r[s] = old;
        r[s + 1] = 0;
        continue;
      }
      case Op.atomic_xor64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        const lo = view.getInt32(at, true);
        const hi = view.getInt32(at + 4, true);
        view.setInt32(at, lo ^ r[s], true);
        view.setInt32(at + 4, hi ^ r[s + 1], true);
        continue;
      }
      case Op.atomic_fetch_xor64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        const lo = view.getInt32(at, true);
        const hi = view.getInt32(at + 4, true);
        view.setInt32(at, lo ^ r[s], true);
        view.setInt32(at + 4, hi ^ r[s + 1], true);
        r[s] = lo;
        r[s + 1] = hi;
        continue;
      }
      case Op.atomic_xchg32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        const old = view.getInt32(at, true);
        view.setInt32(at, r[s], true);
        r[s] = old;
        r[s + 1] = 0;
        continue;
      }
      case Op.atomic_xchg64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        const lo = view.getInt32(at, true);
        const hi = view.getInt32(at + 4, true);
        view.setInt32(at, r[s], true);
        view.setInt32(at + 4, r[s + 1], true);
        r[s] = lo;
        r[s + 1] = hi;
        continue;
      }
      case Op.atomic_cmpxchg32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        const old = view.getInt32(at, true);
        if (old === r[0]) view.setInt32(at, r[s], true);
        r[0] = old;
        r[1] = 0;
        continue;
      }
      case Op.atomic_cmpxchg64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        const lo = view.getInt32(at, true);
        const hi = view.getInt32(at + 4, true);
        if (lo === r[0] && hi === r[1]) {
          view.setInt32(at, r[s], true);
          view.setInt32(at + 4, r[s + 1], true);
        }
        r[0] = lo;
        r[1] = hi;
        continue;
      }
      case Op.atomic_load_acq8: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 1, Access.Atomic);
        const at = (r[s] + code[p + 1]) | 0;
        r[d] = u8[at];
        r[d + 1] = 0;
        continue;
      }
      case Op.atomic_load_acq16: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 2, Access.Atomic);
        const at = (r[s] + code[p + 1]) | 0;
        if ((at & 1) !== 0) throw machine.misaligned(p, at, 2);
        r[d] = view.getUint16(at, true);
        r[d + 1] = 0;
        continue;
      }
      case Op.atomic_load_acq32: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 4, Access.Atomic);
        const at = (r[s] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        r[d] = view.getInt32(at, true);
        r[d + 1] = 0;
        continue;
      }
      case Op.atomic_load_acq64: {
        if (r[s + 1] !== 0 || (r[s] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, s, 8, Access.Atomic);
        const at = (r[s] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        r[d] = view.getInt32(at, true);
        r[d + 1] = view.getInt32(at + 4, true);
        continue;
      }
      case Op.atomic_store_rel8: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 1, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        u8[at] = r[s];
        continue;
      }
      case Op.atomic_store_rel16: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 2, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 1) !== 0) throw machine.misaligned(p, at, 2);
        view.setInt16(at, r[s], true);
        continue;
      }
      case Op.atomic_store_rel32: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 4, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 3) !== 0) throw machine.misaligned(p, at, 4);
        view.setInt32(at, r[s], true);
        continue;
      }
      case Op.atomic_store_rel64: {
        if (r[d + 1] !== 0 || (r[d] - code[p + 2]) >>> 0 >= code[p + 3] >>> 0)
          machine.recheck(p, d, 8, Access.Atomic);
        const at = (r[d] + code[p + 1]) | 0;
        if ((at & 7) !== 0) throw machine.misaligned(p, at, 8);
        view.setInt32(at, r[s], true);
        view.setInt32(at + 4, r[s + 1], true);
        continue;
      }
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
      case Op.may_goto:
        if (--machine.budgets[machine.depth] < 0) {
          machine.budgets[machine.depth] = 0;
          break;
        }
        continue;
      case Op.call:
      case Op.call_kfunc:
        machine.left = left - p - STRIDE;
        if (machine.callHelper(code[p + 1], p)) p = machine.code.exitAt - STRIDE;
        left = machine.left + p + STRIDE;
        if (generation !== memory.generation) ({ u8, view, generation } = memory);
        continue;
      case Op.call_sub:
        machine.pushFrame(p + STRIDE, p);
        break;
      case Op.exit: {
        if (machine.depth === bottom) {
          machine.left = left - p - STRIDE;
          return;
        }
        const back = machine.popFrame();
        left += back - p - STRIDE;
        p = back - STRIDE;
        continue;
      }
      case Op.ldabs8:
      case Op.ldind8:
        if (!machine.loadPacket((code[p + 1] + (op === Op.ldind8 ? r[s] : 0)) | 0, 1)) {
          left -= p - machine.code.exitAt + STRIDE;
          p = machine.code.exitAt - STRIDE;
        }
        if (generation !== memory.generation) ({ u8, view, generation } = memory);
        continue;
      case Op.ldabs16:
      case Op.ldind16:
        if (!machine.loadPacket((code[p + 1] + (op === Op.ldind16 ? r[s] : 0)) | 0, 2)) {
          left -= p - machine.code.exitAt + STRIDE;
          p = machine.code.exitAt - STRIDE;
        }
        if (generation !== memory.generation) ({ u8, view, generation } = memory);
        continue;
      case Op.ldabs32:
      case Op.ldind32:
        if (!machine.loadPacket((code[p + 1] + (op === Op.ldind32 ? r[s] : 0)) | 0, 4)) {
          left -= p - machine.code.exitAt + STRIDE;
          p = machine.code.exitAt - STRIDE;
        }
        if (generation !== memory.generation) ({ u8, view, generation } = memory);
        continue;
      case Op.callx:
        throw machine.fault('bad-call-target', p, { detail: 'call through a register' });
      case Internal.Step:
        machine.step(p);
        continue;
      case Op.hole:
        throw machine.fault('illegal-instruction', p, { detail: 'no instruction starts here' });
      default:
        op satisfies never;
    }
    const target = code[p + 1];
    left += target - p - STRIDE;
    if (left < target) left = machine.refuel(left - target, target) + target;
    p = target - STRIDE;
  }
}
