/**
 * Control flow to structured WebAssembly: a walk of the dominator tree as in N. Ramsey, "Beyond Relooper" (ICFP
 * 2022), with an explicit stack. A block that several edges enter is placed after a `block` that its dominator opens
 * and is reached by `br`; a block that one edge enters is written where that edge is; a loop header opens a `loop`.
 * Unlike in the paper, blocks that leave a loop are placed after it rather than inside, so that a sequence of loops
 * does not nest. Irreducible graphs become one loop around a `br_table`.
 */
import type { Flow } from './flow.js';
import type { WasmBuilder } from './wasm-builder.js';
import { Wasm, WasmType } from './wasm-ops.js';

/** What the structure needs of the code generator. */
export interface BlockEmitter {
  /** Writes the instructions of a block except the jump at its end. */
  body(block: number): void;
  /** Leaves the condition of the block's conditional jump on the stack, as i32. */
  condition(block: number): void;
  /** Writes what happens when control reaches a loop header, inside the loop. */
  loopHeader(block: number): void;
  /** Writes what happens where control runs off the last instruction. */
  fallOff(block: number): void;
}

const enum Todo {
  Tree,
  /** Closes a `block` and continues with the code that it jumps to. */
  EndThenTree,
  End,
}

/** Labels in scope, innermost last: where a block's number is found to branch to it. */
export class Labels {
  private depth = 0;
  private readonly forward: Int32Array;
  private readonly backward: Int32Array;

  constructor(blocks: number) {
    this.forward = new Int32Array(blocks);
    this.backward = new Int32Array(blocks);
  }

  openBlock(target: number): void {
    this.forward[target] = ++this.depth;
  }

  openLoop(header: number): void {
    this.backward[header] = ++this.depth;
  }

  openPlain(): void {
    this.depth++;
  }

  close(): void {
    this.depth--;
  }

  toBlock(target: number): number {
    return this.depth - this.forward[target];
  }

  toLoop(header: number): number {
    return this.depth - this.backward[header];
  }

  /** Depth of the label around the whole body, which the caller opened before any other. */
  toOutermost(): number {
    return this.depth;
  }
}

/** Where each block is written: lists of the blocks placed inside and after each other one. */
interface Placement {
  /** Next block in the list that holds it, with a lower number; -1 ends it. */
  readonly sibling: Int32Array;
  readonly inside: Int32Array;
  readonly after: Int32Array;
  /** 1: written at the only edge that enters it. */
  readonly isInline: Uint8Array;
  /** Instructions in the tree below a block. */
  readonly weight: Int32Array;
}

function place(flow: Flow): Placement {
  const { count, idom, loop, isHeader, forwardPreds } = flow;
  const sibling = new Int32Array(count).fill(-1);
  const inside = new Int32Array(count).fill(-1);
  const after = new Int32Array(count).fill(-1);
  const isInline = new Uint8Array(count);
  const owner = new Int32Array(count).fill(-1);
  const weight = new Int32Array(count);
  for (let block = 1; block < count; block++) {
    const parent = idom[block];
    let exited = -1;
    for (let at = isHeader[parent] === 1 ? parent : loop[parent]; at !== loop[block]; at = loop[at])
      exited = at;
    const list = exited >= 0 ? after : inside;
    const by = exited >= 0 ? exited : parent;
    if (exited < 0) owner[block] = parent;
    if (exited < 0 && forwardPreds[block] === 1) {
      isInline[block] = 1;
    } else {
      sibling[block] = list[by];
      list[by] = block;
    }
  }
  for (let block = count - 1; block >= 0; block--) {
    weight[block] += flow.end[block] - flow.start[block];
    if (owner[block] >= 0) weight[owner[block]] += weight[block];
  }
  return { sibling, inside, after, isInline, weight };
}

/** Writes the subprogram's body. Every path through it ends in a branch outwards or a return. */
export function emitStructured(flow: Flow, builder: WasmBuilder, labels: Labels, emit: BlockEmitter): void {
  const { sibling, inside, after, isInline, weight } = place(flow);
  const { next, taken, isHeader } = flow;
  const todo: number[] = [Todo.Tree];
  const push = (kind: Todo, block: number): void => void todo.push(block * 4 + kind);

  const openAll = (list: number): void => {
    for (let block = list; block >= 0; block = sibling[block]) {
      builder.open(Wasm.Block, WasmType.Void);
      labels.openBlock(block);
      push(Todo.EndThenTree, block);
    }
  };
  const isWrittenHere = (from: number, to: number): boolean => to > from && isInline[to] === 1;
  const depthOf = (from: number, to: number): number => (to > from ? labels.toBlock(to) : labels.toLoop(to));
  const go = (from: number, to: number): void => {
    if (isWrittenHere(from, to)) push(Todo.Tree, to);
    else builder.br(depthOf(from, to));
  };

  const branch = (block: number): void => {
    const no = next[block];
    const yes = taken[block];
    emit.condition(block);
    if (!isWrittenHere(block, yes)) {
      builder.brIf(depthOf(block, yes));
      if (no >= 0) go(block, no);
      else emit.fallOff(block);
      return;
    }
    if (no >= 0 && !isWrittenHere(block, no)) {
      builder.op(Wasm.I32Eqz);
      builder.brIf(depthOf(block, no));
      push(Todo.Tree, yes);
      return;
    }
    // Nesting the lighter side keeps the depth logarithmic.
    const isYesLighter = no >= 0 && weight[yes] < weight[no];
    if (!isYesLighter) builder.op(Wasm.I32Eqz);
    builder.open(Wasm.If, WasmType.Void);
    labels.openPlain();
    push(Todo.Tree, isYesLighter ? no : yes);
    push(Todo.End, 0);
    if (isYesLighter) push(Todo.Tree, yes);
    else if (no >= 0) push(Todo.Tree, no);
    else emit.fallOff(block);
  };

  const tree = (block: number): void => {
    openAll(after[block]);
    if (isHeader[block] === 1) {
      builder.open(Wasm.Loop, WasmType.Void);
      labels.openLoop(block);
      push(Todo.End, 0);
      emit.loopHeader(block);
    }
    openAll(inside[block]);
    emit.body(block);
    if (taken[block] >= 0) branch(block);
    else if (next[block] >= 0) go(block, next[block]);
    else emit.fallOff(block);
  };

  for (let item = todo.pop(); item !== undefined; item = todo.pop()) {
    const kind = (item & 3) as Todo;
    const block = item >> 2;
    if (kind !== Todo.Tree) {
      builder.op(Wasm.End);
      labels.close();
    }
    if (kind !== Todo.End) tree(block);
  }
}

/**
 * Writes the subprogram's body as a state machine: `state` is an i32 local that holds the number of the block to run.
 *
 *      loop  block block ... block  br_table state  end {block 0} end {block 1} ... end
 */
export function emitDispatch(
  flow: Flow,
  builder: WasmBuilder,
  labels: Labels,
  emit: BlockEmitter,
  state: number,
): void {
  const { count, next, taken } = flow;
  builder.open(Wasm.Loop, WasmType.Void);
  labels.openLoop(0);
  for (let block = count - 1; block >= 0; block--) {
    builder.open(Wasm.Block, WasmType.Void);
    labels.openBlock(block);
  }
  builder.localGet(state);
  builder.op(Wasm.BrTable);
  builder.u32(count - 1);
  for (let block = 0; block < count; block++) builder.u32(block);
  const go = (from: number, to: number): void => {
    if (to === from + 1) {
      builder.br(labels.toBlock(to));
      return;
    }
    builder.i32Const(to);
    builder.localSet(state);
    builder.br(labels.toLoop(0));
  };
  for (let block = 0; block < count; block++) {
    builder.op(Wasm.End);
    labels.close();
    if (flow.isHeader[block] === 1) emit.loopHeader(block);
    emit.body(block);
    if (taken[block] >= 0) {
      emit.condition(block);
      builder.open(Wasm.If, WasmType.Void);
      labels.openPlain();
      go(block, taken[block]);
      builder.op(Wasm.End);
      labels.close();
    }
    if (next[block] >= 0) go(block, next[block]);
    else emit.fallOff(block);
  }
  builder.op(Wasm.End);
  labels.close();
}
