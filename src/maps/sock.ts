/** What the socket maps know of sockets and programs: interfaces that `net` and `object.ts` implement. */
import type { SockMapBase } from './sock-map.js';
import type { SockProgs } from './sock-progs.js';

/** What a program runs on: a message or a buffer of a socket. Helpers and programs see its context structure. */
export interface ProgSubject {
  /** Address of the context (`__sk_buff`, `sk_msg_md`), valid while a program runs. */
  readonly ctx: number;
}

/** A program that can be attached to a socket map. */
export interface SockProgram {
  /** Unique in its VM, from 1. */
  readonly id: number;
  readonly name: string;
  /** `ProgType`. */
  readonly progType: number;
  /** `AttachType` that the program was loaded for; only links compare it. */
  readonly expectedAttachType: number;
  /** Runs with r1 = `subject.ctx`; the low word of r0 as a signed 32-bit integer. @throws BpfFault */
  run(subject: ProgSubject): number;
  /** Never loads `data` or `data_end` from its context: payload need not be in the VM's memory. */
  readonly ignoresData?: boolean;
  /** Never loads `sk` from its context. */
  readonly ignoresSock?: boolean;
}

/** One entry of a map that holds a socket. */
export interface SockLink {
  readonly map: SockMapBase;
  /** Takes the entry out of its map, if it is still there; the socket calls it when it closes. */
  remove(): void;
}

/** Addresses (4 or 16 bytes, network order) and ports (host order) of a packet on its way to a socket. */
export interface SockTuple {
  readonly sourceIp: Uint8Array;
  readonly destIp: Uint8Array;
  readonly sourcePort: number;
  readonly destPort: number;
}

/** A socket as maps and helpers see it. */
export interface Sock {
  /** SO_COOKIE: unique and never reused in a VM, from 1. */
  readonly cookie: bigint;
  /** AF_INET 2, AF_INET6 10, AF_UNIX 1. */
  readonly family: number;
  /** IPPROTO_TCP 6, IPPROTO_UDP 17, 0 for unix. */
  readonly protocol: number;
  readonly isTcp: boolean;
  /** It takes connections or datagrams from anybody: a listener, or an unconnected UDP socket. */
  readonly receivesNew: boolean;
  /** The reuseport group it belongs to. */
  readonly group?: object | null;
  /** The protocol can be held by a map at all. */
  readonly suitable: boolean;
  /** The state allows insertion: TCP established or listening, UDP bound, unix stream connected, unix datagram always. */
  readonly insertable: boolean;
  /** A redirect may go to it: TCP but no listener; others only connected. */
  readonly redirectable: boolean;
  /**
   * Takes a reference on the socket's psock, making one where it has none, and copies the programs to it.
   * 0 or a negative errno: EBUSY where it has such a program already, EOPNOTSUPP for a parser on anything but TCP.
   */
  psockGet(progs: SockProgs): number;
  /** Gives the reference back; the last one restores the socket. */
  psockPut(): void;
  /** Remembers an entry, so that closing removes it. */
  linkAdd(link: SockLink): void;
  /** Forgets an entry, stops the skb programs that its map has, and gives the reference back. */
  linkDrop(link: SockLink): void;
}

/** The sockets of a VM: how maps and helpers turn descriptors and addresses into sockets and back. */
export interface SockTable {
  /** The socket of a descriptor, -EBADF for an unknown one, or -ENOTSOCK. */
  byFd(fd: number): Sock | number;
  /** Whether the socket lives in this VM. */
  owns(sock: Sock): boolean;
  /** The socket whose `struct bpf_sock` is at an address of the VM's memory. */
  byAddress(address: number): Sock | undefined;
  /** The socket that a packet with these addresses and ports would reach: connected, else bound or listening. */
  find(protocol: 'tcp' | 'udp', tuple: SockTuple): Sock | undefined;
  /** Address of the socket's `struct bpf_sock`, brought up to date. */
  addressOf(sock: Sock): number;
}

/** Program return values for sk_skb and sk_msg (`enum sk_action`); anything but SK_PASS drops. */
export const SK_DROP = 0;
export const SK_PASS = 1;
/** Redirect flag: into the receive queue of the target rather than out of it. */
export const BPF_F_INGRESS = 1;
