/** Scenarios of the first recording that run sk_skb programs, and those on attachment and lifetime. */
import { MSG_DONTWAIT, MSG_PEEK, SHUT_RDWR } from '../../src/net/sock.js';
import type { NetSock } from '../../src/net/sock.js';
import { errnoName, ErrnoError } from '../../src/errors.js';
import type { Lab, Slot } from './lab.js';
import { u32 } from './lab.js';
import type { Scenario } from './scenarios-msg.js';
import { AL, al, big, BPF_F_INGRESS, DROP, PASS, REDIRECT } from './scenarios-msg.js';

const countOf = (got: Uint8Array | number): number =>
  typeof got === 'number' ? (got < 0 ? -1 : got) : got.length;

const sendA = (lab: Lab, data: string | Uint8Array = al(0, 10)): void => {
  lab.send(lab.a, data);
};

const recvAll = (lab: Lab, ...socks: ('a' | 'b' | 'c' | 'd')[]): void => {
  for (const name of socks) lab.recv(lab[name]);
};

/** b is in the map with a verdict program; a sends. */
function verdict(
  prefix: string,
  slot: Slot,
  name: string,
  prepare: (lab: Lab) => void,
  act: (lab: Lab) => void,
): Scenario {
  return {
    name: `${prefix}: ${name}`,
    run: (lab) => {
      lab.attach(slot);
      prepare(lab);
      act(lab);
    },
  };
}

const insertB = (lab: Lab): void => {
  lab.update('src', 0, lab.b);
};

const redirect =
  (target: 'b' | 'c' | 'd', flags = 0) =>
  (lab: Lab): void => {
    lab.verdict(REDIRECT);
    lab.set({ key: 0, flags });
    insertB(lab);
    lab.update('dst', 0, lab[target]);
  };

function verdictScenarios(prefix: string, slot: Slot): Scenario[] {
  const one = (name: string, prepare: (lab: Lab) => void, act: (lab: Lab) => void): Scenario =>
    verdict(prefix, slot, name, prepare, act);
  const thenSendAndRecv =
    (...socks: ('a' | 'b' | 'c' | 'd')[]) =>
    (lab: Lab): void => {
      sendA(lab);
      recvAll(lab, ...socks);
      lab.trace();
    };
  return [
    one('PASS', insertB, (lab) => {
      sendA(lab);
      lab.fionread(lab.b);
      lab.recv(lab.b);
      lab.trace();
    }),
    one(
      'DROP',
      (lab) => {
        lab.verdict(DROP);
        insertB(lab);
      },
      (lab) => {
        sendA(lab);
        lab.fionread(lab.b);
        lab.recv(lab.b);
        lab.trace();
        sendA(lab);
      },
    ),
    one('redirect egress to c (d gets)', redirect('c'), thenSendAndRecv('b', 'c', 'd')),
    one('redirect ingress to d', redirect('d', BPF_F_INGRESS), (lab) => {
      sendA(lab);
      lab.fionread(lab.d);
      recvAll(lab, 'b', 'c', 'd');
      lab.trace();
    }),
    one('redirect egress to b itself (echo: a gets)', redirect('b'), thenSendAndRecv('a', 'b')),
    one('redirect ingress to b itself', redirect('b', BPF_F_INGRESS), thenSendAndRecv('a', 'b')),
    one(
      'redirect empty key',
      (lab) => {
        lab.verdict(REDIRECT);
        lab.set({ key: 3 });
        insertB(lab);
      },
      thenSendAndRecv('b'),
    ),
    one(
      'invalid return 5',
      (lab) => {
        lab.verdict(5);
        insertB(lab);
      },
      thenSendAndRecv('b'),
    ),
    one(
      'PASS,DROP,PASS three sends',
      (lab) => {
        lab.verdict(PASS, DROP, PASS);
        insertB(lab);
      },
      (lab) => {
        for (const data of ['AAAA', 'BBBB', 'CCCC']) sendA(lab, data);
        lab.recv(lab.b);
        lab.trace();
      },
    ),
    one('60000-byte send PASS: skb sizes', insertB, (lab) => {
      sendA(lab, big(60000));
      lab.recv(lab.b);
      lab.trace();
    }),
    one('60000-byte send redirect ingress d', redirect('d', BPF_F_INGRESS), (lab) => {
      sendA(lab, big(60000));
      lab.recv(lab.d);
      lab.trace();
    }),
    one(
      'data queued before insertion',
      (lab) => {
        sendA(lab);
        insertB(lab);
      },
      (lab) => {
        lab.fionread(lab.b);
        lab.recv(lab.b);
        sendA(lab, al(0, 5));
        lab.recv(lab.b);
        lab.trace();
      },
    ),
    one('peer close after data, PASS', insertB, (lab) => {
      sendA(lab);
      lab.close(lab.a);
      lab.recv(lab.b);
      lab.trace();
    }),
    one('peer close after data, redirect ingress d; b sees EOF?', redirect('d', BPF_F_INGRESS), (lab) => {
      sendA(lab);
      lab.close(lab.a);
      recvAll(lab, 'b', 'd');
      lab.trace();
    }),
    one('delete from map with unread PASSed data', insertB, (lab) => {
      sendA(lab);
      lab.remove('src', 0);
      lab.say('delete=0');
      lab.recv(lab.b);
      sendA(lab, 'ZZZ');
      lab.recv(lab.b);
      lab.trace();
    }),
    one('redirect ingress to d, d removed from dst map before read', redirect('d', BPF_F_INGRESS), (lab) => {
      sendA(lab);
      lab.remove('dst', 0);
      lab.say('delete=0');
      lab.recv(lab.d);
      lab.trace();
    }),
    one('MSG_PEEK then recv, FIONREAD', insertB, (lab) => {
      sendA(lab);
      const peek = (length: number): number => countOf(lab.b.recv(length, MSG_PEEK | MSG_DONTWAIT));
      lab.say(`peek4=${peek(4)} peek64=${peek(64)}`);
      lab.say(`recv4=${countOf(lab.b.recv(4))}`);
      lab.fionread(lab.b);
      lab.recv(lab.b);
    }),
  ];
}

/** b is in the map with parser and verdict; what a sends is cut into messages. */
function parsed(name: string, prepare: (lab: Lab) => void, act: (lab: Lab) => void): Scenario {
  return {
    name: `parser+verdict: ${name}`,
    run: (lab) => {
      lab.attach('parser', 'stream');
      prepare(lab);
      insertB(lab);
      act(lab);
    },
  };
}

const constant =
  (value: number) =>
  (lab: Lab): void => {
    lab.set({ parserMode: 1, parserValue: value });
  };

const sendRecvTrace =
  (...sends: (string | Uint8Array)[]) =>
  (lab: Lab): void => {
    for (const data of sends) sendA(lab, data);
    lab.recv(lab.b);
    lab.trace();
  };

const fours = (count: number): string[] => Array.from({ length: count }, (_, i) => al(4 * i, 4));

const PARSED: readonly Scenario[] = [
  parsed('skb->len PASS', () => undefined, sendRecvTrace(al(0, 10))),
  parsed('const 4, send 10 then 2', constant(4), (lab) => {
    sendA(lab);
    lab.fionread(lab.b);
    lab.recv(lab.b);
    lab.trace();
    sendRecvTrace('!!')(lab);
  }),
  parsed('const 16, sends 4x5', constant(16), sendRecvTrace(...fours(5))),
  parsed(
    '0 until 4 then len-prefix',
    (lab) => lab.set({ parserMode: 2 }),
    sendRecvTrace('\0\0', '\0\x09h', 'ello', '\0\0\0\x05X\0\0\0\x06YZ\0\0'),
  ),
  parsed('returns 0 always', constant(0), (lab) => {
    sendA(lab, al(0, 4));
    sendA(lab, al(0, 4));
    lab.recv(lab.b);
    lab.fionread(lab.b);
    lab.trace();
    lab.close(lab.a);
    lab.recv(lab.b);
  }),
  parsed('returns -1', constant(-1), (lab) => {
    for (let i = 0; i < 2; i++) {
      sendA(lab, al(0, 4));
      lab.recv(lab.b);
    }
    lab.soError(lab.b, false);
    lab.trace();
  }),
  parsed('returns -86 (ESTRPIPE)', constant(-86), sendRecvTrace(al(0, 4))),
  parsed('returns > rcvbuf (100000000)', constant(100_000_000), sendRecvTrace(al(0, 4))),
  parsed('0 then small (<= already accumulated): bad hdr len', constant(0), (lab) => {
    sendA(lab, al(0, 8));
    constant(4)(lab);
    sendRecvTrace(al(0, 4))(lab);
  }),
  parsed(
    'const 4, verdict DROP,PASS,DROP on 12 bytes',
    (lab) => {
      constant(4)(lab);
      lab.verdict(DROP, PASS, DROP);
    },
    sendRecvTrace(al(0, 12)),
  ),
  parsed(
    'const 4, redirect egress c on 12 bytes',
    (lab) => {
      constant(4)(lab);
      lab.verdict(REDIRECT);
      lab.set({ key: 0 });
    },
    (lab) => {
      lab.update('dst', 0, lab.c);
      sendA(lab, al(0, 12));
      lab.recv(lab.d);
      lab.trace();
    },
  ),
  parsed(
    'const 4, alternating PASS / redirect ingress d',
    (lab) => {
      constant(4)(lab);
      lab.verdict(PASS, REDIRECT, PASS, REDIRECT);
      lab.set({ key: 0, flags: BPF_F_INGRESS });
    },
    (lab) => {
      lab.update('dst', 0, lab.d);
      sendA(lab, al(0, 16));
      recvAll(lab, 'b', 'd');
      lab.trace();
    },
  ),
  parsed(
    'const 4, v_pull 4: data_end-data',
    (lab) => {
      constant(4)(lab);
      lab.set({ verdictPull: 4 });
    },
    sendRecvTrace(al(0, 12)),
  ),
  parsed('60000 bytes, parser const 5000', constant(5000), sendRecvTrace(big(60000))),
  parsed('60000 bytes, parser skb->len', () => undefined, sendRecvTrace(big(60000))),
  {
    name: 'parser only, no verdict',
    run: (lab) => {
      lab.attach('parser');
      constant(4)(lab);
      insertB(lab);
      sendRecvTrace(al(0, 10))(lab);
    },
  },
];

const lookup = (lab: Lab): void => {
  lab.say(`lookup=${lab.lookup('src', 0)}`);
};

const twice = (lab: Lab, sock: NetSock, attach: Slot): void => {
  lab.verdict(DROP);
  lab.update('src', 0, sock);
  lab.attach(attach);
  for (let i = 0; i < 2; i++) {
    if (i > 0) lab.update('src', 0, sock);
    sendRecvTrace(al(0, 10))(lab);
  }
};

const LIFETIME: readonly Scenario[] = [
  { name: 'attach verdict AFTER insertion (DROP)', run: (lab) => twice(lab, lab.b, 'stream') },
  {
    name: 'detach verdict (DROP) after insertion: still applies?',
    run: (lab) => {
      lab.verdict(DROP);
      lab.attach('stream');
      insertB(lab);
      lab.detach('stream');
      sendRecvTrace(al(0, 10))(lab);
    },
  },
  { name: 'attach msg AFTER insertion (DROP)', run: (lab) => twice(lab, lab.a, 'msg') },
  {
    name: 'detach msg (DROP) after insertion',
    run: (lab) => {
      lab.verdict(DROP);
      lab.attach('msg');
      lab.update('src', 0, lab.a);
      lab.detach('msg');
      sendRecvTrace(al(0, 10))(lab);
    },
  },
  {
    name: 're-update same key same sock with prog attached',
    run: (lab) => {
      lab.verdict(PASS);
      lab.attach('msg');
      for (const key of [0, 0, 1]) lab.update('src', key, lab.a);
    },
  },
  {
    name: 'sock in src map(msg prog) and another map without progs',
    run: (lab) => {
      lab.attach('msg');
      lab.update('src', 0, lab.a);
      lab.update('dst', 0, lab.a);
      lab.remove('src', 0);
      lab.say('delete src=0');
      lab.verdict(DROP);
      sendRecvTrace(al(0, 4))(lab);
    },
  },
  {
    name: 'verdict prog, sock also in dst; delete from src; still applies?',
    run: (lab) => {
      lab.attach('stream');
      lab.verdict(DROP);
      insertB(lab);
      lab.update('dst', 0, lab.b);
      lab.remove('src', 0);
      lab.say('delete src=0');
      sendRecvTrace(al(0, 4))(lab);
    },
  },
  {
    name: 'close socket removes from map',
    run: (lab) => {
      insertB(lab);
      lab.close(lab.b);
      lookup(lab);
    },
  },
  {
    name: 'disconnect AF_UNSPEC removes',
    run: (lab) => {
      lab.update('src', 0, lab.a);
      lab.a.disconnect();
      lab.say('connect=0');
      lookup(lab);
    },
  },
  {
    name: 'peer close keeps entry',
    run: (lab) => {
      insertB(lab);
      lab.close(lab.a);
      lookup(lab);
      let failed = 'ok';
      try {
        lab.map('dst_map').updateSock(u32(1), lab.b);
      } catch (error) {
        if (!(error instanceof ErrnoError)) throw error;
        failed = errnoName(error.errno);
      }
      lab.say(`update CLOSE_WAIT sock: ${failed}`);
    },
  },
  {
    name: 'RST from peer removes entry?',
    run: (lab) => {
      insertB(lab);
      lab.a.lingerZero = true;
      lab.close(lab.a);
      lookup(lab);
    },
  },
  {
    name: 'shutdown(SHUT_RDWR) keeps entry?',
    run: (lab) => {
      insertB(lab);
      lab.b.shutdown(SHUT_RDWR);
      lookup(lab);
    },
  },
  {
    name: 'free map with msg DROP prog, then send',
    run: (lab) => {
      lab.verdict(DROP);
      lab.attach('msg');
      lab.update('src', 0, lab.a);
      lab.free();
      const sent = lab.a.send(new TextEncoder().encode(AL.slice(0, 10)));
      lab.say(`send=${sent} ${sent < 0 ? errnoName(sent) : ''}`);
      lab.say(`recv=${countOf(lab.b.recv(64))}`);
    },
  },
];

export const SKB_SCENARIOS: readonly Scenario[] = [
  ...verdictScenarios('STREAM_VERDICT(no parser)', 'stream'),
  ...verdictScenarios('SK_SKB_VERDICT', 'skb'),
  ...PARSED,
  ...LIFETIME,
];
