/**
 * The bpf_timers of a VM. A timer's 16 bytes in its map value hold its number; an element that goes away is zeroed
 * there, which ends its timer.
 */
import { Errno } from '../errors.js';
import type { BpfMap } from '../maps/map.js';
import type { BpfMemory } from '../memory/memory.js';

/** Calls a subprogram of the program that set the callback; see `RunState.callback`. */
type Call = (fn: number, args: readonly number[]) => number;

interface Timer {
  readonly id: number;
  readonly address: number;
  readonly map: BpfMap;
  callback: number;
  call: Call | null;
  /** Nanoseconds of the monotonic clock; null where it is not started. */
  due: bigint | null;
}

export class TimerTable {
  private readonly timers = new Map<number, Timer>();
  private lastId = 0;
  private readonly memory: BpfMemory;
  /** Asks to be called (`runDue`) after so many nanoseconds. */
  private readonly wake: (delayNs: bigint) => void;
  private running: Timer | null = null;

  constructor(memory: BpfMemory, wake: (delayNs: bigint) => void) {
    this.memory = memory;
    this.wake = wake;
  }

  private at(address: number): Timer | undefined {
    const timer = this.timers.get(this.memory.u32[address >>> 2]);
    return timer?.address === address ? timer : undefined;
  }

  /** -EBUSY where it is initialised already. */
  init(address: number, map: BpfMap): number {
    if (this.at(address) !== undefined) return -Errno.EBUSY;
    const id = ++this.lastId;
    this.timers.set(id, { id, address, map, callback: 0, call: null, due: null });
    this.memory.u32[address >>> 2] = id;
    return 0;
  }

  setCallback(address: number, callback: number, call: Call): number {
    const timer = this.at(address);
    if (timer === undefined) return -Errno.EINVAL;
    timer.callback = callback;
    timer.call = call;
    return 0;
  }

  start(address: number, due: bigint, now: bigint): number {
    const timer = this.at(address);
    if (timer?.call === null || timer === undefined) return -Errno.EINVAL;
    timer.due = due;
    this.wake(due > now ? due - now : 0n);
    return 0;
  }

  /** 1 where it was started, 0 where not, -EDEADLK from its own callback. */
  cancel(address: number): number {
    const timer = this.at(address);
    if (timer === undefined) return -Errno.EINVAL;
    if (timer === this.running) return -EDEADLK;
    const wasActive = timer.due !== null;
    timer.due = null;
    return wasActive ? 1 : 0;
  }

  /** Runs the callbacks of the timers that are due, in order of time; how many there were. */
  runDue(now: bigint): number {
    let ran = 0;
    for (let timer = this.nextDue(now); timer !== undefined; timer = this.nextDue(now)) {
      timer.due = null;
      if (this.at(timer.address) !== timer) {
        this.timers.delete(timer.id);
        continue;
      }
      this.fire(timer);
      ran++;
    }
    return ran;
  }

  private nextDue(now: bigint): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers.values()) {
      if (timer.due !== null && timer.due <= now && (first?.due == null || timer.due < first.due))
        first = timer;
    }
    return first;
  }

  /** `callback(map, key, value)` */
  private fire(timer: Timer): void {
    const value = timer.address - (timer.map.spec.timerOffset ?? 0);
    this.running = timer;
    try {
      const key = timer.map.keyOfValue(value);
      timer.call?.(timer.callback, [timer.map.handle.base, 0, key, 0, value, 0]);
    } finally {
      this.running = null;
    }
  }
}

const EDEADLK = 35;
