/**
 * The control block: memory that generated code and its host share, in a region that programs cannot access.
 *
 *      0        80       88      96       100      104        112        152
 *      +--------+--------+-------+--------+--------+----------+----------+-------------+
 *      | r0..r9 | result | retHi | signal | fuel   | frame of | callback | bounds of   |
 *      | handed | r0     |       |        |        | helper's | r1..r5   | predicted   |
 *      | over   |        |       |        |        | caller   |          | regions     |
 *      +--------+--------+-------+--------+--------+----------+----------+-------------+
 *
 * Bounds are pairs of u64: lowest address, and number of addresses at which an access of one size is good.
 */
export const Control = {
  registers: 0,
  result: 80,
  retHi: 88,
  signal: 96,
  fuel: 100,
  frame: 104,
  callbackArgs: 112,
  bounds: 152,
} as const;

export const BOUNDS_SIZE = 16;
/** Bounds that there is room for. */
export const MAX_SLOTS = 512;
export const CONTROL_SIZE = Control.bounds + BOUNDS_SIZE * MAX_SLOTS;

/** What a helper's import leaves in the `signal` word. */
export const enum Signal {
  None = 0,
  /** The arguments are bad: the interpreter repeats the call and reports it. */
  BadArgument = 1,
  /** A tail call took the program's place; `result` is its r0. */
  TailCalled = 2,
}

/** Set in the pc that is handed over when fuel ran out. */
export const OUT_OF_FUEL = 0x4000_0000;
