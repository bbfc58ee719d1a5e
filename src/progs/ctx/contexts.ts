/**
 * What stands behind a program's context while it runs: the operations that helpers perform on it. The context
 * structure itself (`__sk_buff`, `sk_msg_md`, ...) lies in the VM's memory and is kept in step by these objects.
 */

import type { Sock } from '../../maps/sock.js';

/** Behind `__sk_buff`. Offsets are from the start of the data that the program type sees. */
export interface SkbCtx {
  /** Total bytes, linear and not. */
  readonly len: number;
  /** Cookie of the socket it belongs to; 0 where it has none. */
  readonly cookie?: bigint;
  /** Where bpf_sk_redirect_* sends it; null until one was called with success. */
  redirect: Redirect | null;
  /** Copies `size` bytes at `offset` to VM memory at `to`. 0, or -EFAULT where they are not all there. */
  loadBytes(offset: number, to: number, size: number): number;
  /** Overwrites `size` bytes at `offset` from VM memory. 0, or -EFAULT. */
  storeBytes(offset: number, from: number, size: number, flags: number): number;
  /** Makes the first `size` bytes (0: all) linear, moving data and data_end. 0, or -ENOMEM where too short. */
  pullData(size: number): number;
  changeTail(size: number, flags: number): number;
  changeHead(room: number, flags: number): number;
  adjustRoom(delta: number, mode: number, flags: number): number;
}

/** Behind `sk_msg_md`. */
export interface MsgCtx {
  /** Total bytes of the message. */
  readonly size: number;
  /** Where bpf_msg_redirect_* sends it; it outlives the run, as the kernel's does. */
  redirect: Redirect | null;
  applyBytes: number;
  corkBytes: number;
  /** 0 or -EINVAL; moves data and data_end. */
  pullData(start: number, end: number, flags: number): number;
  pushData(start: number, size: number, flags: number): number;
  popData(start: number, size: number, flags: number): number;
}

/** The note that a redirect helper leaves on a buffer or message; `net` acts on it after the program has returned. */
export interface Redirect {
  readonly sock: Sock;
  /** BPF_F_INGRESS was given. */
  readonly ingress: boolean;
}

/** Behind `bpf_sock_ops`. */
export interface SockOpsCtx {
  /** BPF_SOCK_OPS_*. */
  readonly op: number;
  readonly sock: Sock;
  /** bpf_sock_ops_cb_flags_set: 0, or the bits that are not known. */
  setCbFlags(flags: number): number;
}

/** Behind `bpf_sk_lookup` and `sk_reuseport_md`: the programs that choose who receives. */
export interface SelectCtx {
  /** bpf_sk_assign: 0 or a negative errno; `address` is that of the socket's structure, 0 for none. */
  assign(sock: Sock | null, address: number, flags: number): number;
  /** bpf_sk_select_reuseport: 0 or a negative errno. */
  selectReuseport(sock: Sock | undefined): number;
}
