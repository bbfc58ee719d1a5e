/**
 * The control-flow graph of one subprogram: blocks numbered in reverse postorder, dominator tree, loop nest. Typed
 * arrays and explicit stacks throughout: a program may have a million instructions.
 */
import { BpfError } from '../../errors.js';
import type { DecodedProgram } from '../../isa/insn.js';
import { Op } from '../../isa/op.gen.js';
import { ROWS } from '../../isa/ops.js';

/** How a block may end. */
const enum End {
  Fall,
  Jump,
  Branch,
  Exit,
}

const END_OF_OP: Uint8Array = Uint8Array.from(ROWS, (row) => {
  if (row.kind === 'ja') return End.Jump;
  if (row.kind === 'jcc' || row.kind === 'may_goto') return End.Branch;
  return row.kind === 'exit' ? End.Exit : End.Fall;
});

/** Blocks in reverse postorder; unreachable ones are left out. An index into the arrays is a block's number. */
export interface Flow {
  readonly count: number;
  /** First slot, and the slot after the last, of each block. */
  readonly start: Int32Array;
  readonly end: Int32Array;
  /** The block that control falls or jumps to, or -1. */
  readonly next: Int32Array;
  /** The block that a conditional jump goes to when taken, or -1. */
  readonly taken: Int32Array;
  /** Edges from lower to higher numbers that enter the block; a branch with two equal targets counts twice. */
  readonly forwardPreds: Uint32Array;
  readonly isHeader: Uint8Array;
  readonly idom: Int32Array;
  /** Header of the innermost loop that has the block as a member but not as its header, or -1. */
  readonly loop: Int32Array;
  /** Some loop has more than one entry, or loops nest absurdly deep: structured code is not worth trying. */
  readonly irreducible: boolean;
}

/** Beyond this nesting, placing blocks after loops would cost quadratic time. */
const MAX_LOOP_DEPTH = 200;

/**
 * Builds the graph of the subprogram in slots [from, to).
 * @throws BpfError `ERR_BPF_JIT_TARGET` where a jump leaves the subprogram or lands in the middle of a lddw.
 */
export function buildFlow(insns: DecodedProgram, from: number, to: number): Flow {
  const blocks = findBlocks(insns, from, to);
  const order = reversePostorder(blocks);
  const flow = renumber(blocks, order);
  const idom = dominators(flow);
  const loop = new Int32Array(flow.count).fill(-1);
  const irreducible = !idom.reducible || !nestLoops(flow, loop);
  return { ...flow, idom: idom.parent, loop, irreducible };
}

interface Blocks {
  readonly count: number;
  readonly start: Int32Array;
  readonly end: Int32Array;
  readonly next: Int32Array;
  readonly taken: Int32Array;
}

function findBlocks(insns: DecodedProgram, from: number, to: number): Blocks {
  const size = to - from;
  const { op, target } = insns;
  const leader = new Uint8Array(size + 1);
  leader[0] = 1;
  for (let pc = from; pc < to; pc++) {
    const kind = END_OF_OP[op[pc]] as End;
    if (kind === End.Fall || op[pc] === Op.hole) continue;
    leader[pc + 1 - from] = 1;
    if (kind !== End.Exit) leader[checkTarget(insns, pc, target[pc], from, to) - from] = 1;
  }
  const blockAt = new Int32Array(size + 1).fill(-1);
  let count = 0;
  for (let i = 0; i < size; i++) if (leader[i] === 1) blockAt[i] = count++;
  const start = new Int32Array(count);
  const end = new Int32Array(count).fill(to);
  const next = new Int32Array(count).fill(-1);
  const taken = new Int32Array(count).fill(-1);
  for (let i = 0; i < size; i++) {
    const block = blockAt[i];
    if (block < 0) continue;
    start[block] = from + i;
    if (block > 0) end[block - 1] = from + i;
  }
  for (let block = 0; block < count; block++) {
    const last = end[block] - 1;
    const kind = (op[last] === Op.hole ? End.Fall : END_OF_OP[op[last]]) as End;
    if (kind === End.Jump) next[block] = blockAt[target[last] - from];
    else if (kind !== End.Exit) next[block] = block + 1 < count ? block + 1 : -1;
    if (kind === End.Branch) taken[block] = blockAt[target[last] - from];
  }
  return { count, start, end, next, taken };
}

function checkTarget(insns: DecodedProgram, pc: number, target: number, from: number, to: number): number {
  if (target >= from && target < to && insns.op[target] !== Op.hole) return target;
  throw new BpfError('ERR_BPF_JIT_TARGET', `insn ${pc}: jump to ${target}`, {
    hint: `the subprogram spans ${from} to ${to - 1}`,
  });
}

/** Block ids of the reachable blocks in reverse postorder; the fall-through is kept next to its block. */
function reversePostorder({ count, next, taken }: Blocks): Int32Array {
  const state = new Uint8Array(count);
  const stack = new Int32Array(count);
  const post = new Int32Array(count);
  let depth = 0;
  let done = 0;
  stack[depth++] = 0;
  state[0] = 1;
  while (depth > 0) {
    const block = stack[depth - 1];
    const step = state[block]++;
    const to = step === 1 ? taken[block] : step === 2 ? next[block] : -1;
    if (step === 3) {
      post[done++] = block;
      depth--;
    } else if (to >= 0 && state[to] === 0) {
      state[to] = 1;
      stack[depth++] = to;
    }
  }
  return post.subarray(0, done).reverse();
}

type Numbered = Omit<Flow, 'idom' | 'loop' | 'irreducible'>;

function renumber(blocks: Blocks, order: Int32Array): Numbered {
  const count = order.length;
  const number = new Int32Array(blocks.count);
  for (let i = 0; i < count; i++) number[order[i]] = i;
  const start = new Int32Array(count);
  const end = new Int32Array(count);
  const next = new Int32Array(count);
  const taken = new Int32Array(count);
  const forwardPreds = new Uint32Array(count);
  const isHeader = new Uint8Array(count);
  const edge = (from: number, to: number): number => {
    if (to < 0) return -1;
    const target = number[to];
    if (target > from) forwardPreds[target]++;
    else isHeader[target] = 1;
    return target;
  };
  for (let i = 0; i < count; i++) {
    const block = order[i];
    start[i] = blocks.start[block];
    end[i] = blocks.end[block];
    next[i] = edge(i, blocks.next[block]);
    taken[i] = edge(i, blocks.taken[block]);
  }
  return { count, start, end, next, taken, forwardPreds, isHeader };
}

/**
 * Immediate dominators by one pass in reverse postorder over the forward edges: the nearest common ancestor of the
 * predecessors, found with skew-binary jump pointers in logarithmic time. In a reducible graph back edges do not
 * change dominance; in an irreducible one some retreating edge leads to a block that does not dominate its source.
 */
function dominators({ count, next, taken }: Numbered): { parent: Int32Array; reducible: boolean } {
  const parent = new Int32Array(count).fill(-1);
  const depth = new Int32Array(count);
  const jump = new Int32Array(count);
  const climb = (block: number, to: number): number => {
    let at = block;
    while (depth[at] > to) at = depth[jump[at]] >= to ? jump[at] : parent[at];
    return at;
  };
  const common = (one: number, other: number): number => {
    let a = climb(one, depth[other]);
    let b = climb(other, depth[a]);
    while (a !== b) {
      const isJump = jump[a] !== jump[b];
      a = isJump ? jump[a] : parent[a];
      b = isJump ? jump[b] : parent[b];
    }
    return a;
  };
  let reducible = true;
  const visit = (from: number, to: number): void => {
    if (to > from) parent[to] = parent[to] < 0 ? from : common(parent[to], from);
    else if (to >= 0 && climb(from, depth[to]) !== to) reducible = false;
  };
  for (let block = 0; block < count; block++) {
    if (block > 0) {
      const up = parent[block];
      const far = jump[up];
      depth[block] = depth[up] + 1;
      jump[block] = depth[up] - depth[far] === depth[far] - depth[jump[far]] ? jump[far] : up;
    }
    visit(block, next[block]);
    visit(block, taken[block]);
  }
  return { parent, reducible };
}

/** Fills in the loop of each block, innermost loops first. False where loops nest too deep. */
function nestLoops({ count, next, taken, isHeader }: Numbered, loop: Int32Array): boolean {
  const { first, source } = predecessors(count, next, taken);
  const leader = new Int32Array(count);
  for (let i = 0; i < count; i++) leader[i] = i;
  const find = (block: number): number => {
    let at = block;
    while (leader[at] !== at) at = leader[at] = leader[leader[at]];
    return at;
  };
  const work: number[] = [];
  for (let header = count - 1; header >= 0; header--) {
    if (isHeader[header] === 0) continue;
    for (let i = first[header]; i < first[header + 1]; i++) if (source[i] >= header) work.push(source[i]);
    for (let block = work.pop(); block !== undefined; block = work.pop()) {
      const member = find(block);
      if (member === header) continue;
      loop[member] = header;
      leader[member] = header;
      for (let i = first[member]; i < first[member + 1]; i++) work.push(source[i]);
    }
  }
  return maxDepth(loop) <= MAX_LOOP_DEPTH;
}

/** A loop's header has a lower number than its members: one pass finds all depths. */
function maxDepth(loop: Int32Array): number {
  const depth = new Int32Array(loop.length);
  let max = 0;
  for (let block = 0; block < loop.length; block++) {
    if (loop[block] >= 0) depth[block] = depth[loop[block]] + 1;
    if (depth[block] > max) max = depth[block];
  }
  return max;
}

function predecessors(count: number, next: Int32Array, taken: Int32Array) {
  const first = new Int32Array(count + 2);
  for (let block = 0; block < count; block++) {
    if (next[block] >= 0) first[next[block] + 2]++;
    if (taken[block] >= 0) first[taken[block] + 2]++;
  }
  for (let i = 2; i < count + 2; i++) first[i] += first[i - 1];
  const source = new Int32Array(first[count + 1]);
  for (let block = 0; block < count; block++) {
    if (next[block] >= 0) source[first[next[block] + 1]++] = block;
    if (taken[block] >= 0) source[first[taken[block] + 1]++] = block;
  }
  return { first, source };
}
