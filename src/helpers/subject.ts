/** Binds what a program runs on to the state that its helpers see. */
import type { ProgSubject } from '../maps/sock.js';
import { SkBuff } from '../progs/ctx/sk-buff.js';
import { SkMsg } from '../progs/ctx/sk-msg.js';
import type { RunState } from './run-state.js';

/** Before a run of an sk_skb or sk_msg program. */
export function bindSubject(run: RunState, subject: ProgSubject): void {
  run.ctx = subject.ctx;
  run.skb = subject instanceof SkBuff ? subject : null;
  run.msg = subject instanceof SkMsg ? subject : null;
}
