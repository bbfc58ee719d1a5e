/** Scenarios of the first recording that run sk_msg programs. */
import type { Lab } from './lab.js';
import { text } from './lab.js';

export const AL = '0123456789abcdefghijklmnopqrstuvwxyz';
export const al = (from: number, length: number): string => AL.slice(from, from + length);
export const big = (length: number): Uint8Array => new Uint8Array(length).fill('x'.charCodeAt(0));

export interface Scenario {
  /** Heading in the recording. */
  readonly name: string;
  run(lab: Lab): void;
}

export const BPF_F_INGRESS = 1;
export const PASS = 1;
export const DROP = 0;
export const REDIRECT = 2;

/** One sk_msg program on a, its settings, and what is sent. */
function msg(name: string, prepare: (lab: Lab) => void, act: (lab: Lab) => void): Scenario {
  return {
    name,
    run: (lab) => {
      lab.attach('msg');
      prepare(lab);
      lab.update('src', 0, lab.a);
      act(lab);
    },
  };
}

const send10 = (lab: Lab): void => {
  lab.send(lab.a, al(0, 10));
};

/** Send 10 bytes on a, read b, and list the runs. */
const sendRecv = (lab: Lab): void => {
  send10(lab);
  lab.recv(lab.b);
  lab.trace();
};

const target = (sock: 'a' | 'b' | 'c'): ((lab: Lab) => void) => {
  return (lab) => {
    lab.update('dst', 0, lab[sock]);
  };
};

const redirect =
  (flags = 0) =>
  (lab: Lab): void => {
    lab.verdict(REDIRECT);
    lab.set({ key: 0, flags });
  };

const sendFours = (lab: Lab, count: number): void => {
  for (let i = 0; i < count; i++) lab.send(lab.a, al(4 * i, 4));
};

const BASIC: readonly Scenario[] = [
  msg('msg PASS', (lab) => lab.verdict(PASS), sendRecv),
  msg('msg DROP', (lab) => lab.verdict(DROP), sendRecv),
  msg(
    'msg invalid return 2 / 77 / -1',
    (lab) => lab.verdict(3, 77, -1),
    (lab) => {
      for (let i = 0; i < 3; i++) lab.send(lab.a, al(0, 4));
      lab.recv(lab.b);
      lab.trace();
    },
  ),
  msg(
    'msg redirect empty key',
    (lab) => {
      lab.verdict(REDIRECT);
      lab.set({ key: 5 });
    },
    sendRecv,
  ),
  msg(
    'msg redirect key out of range',
    (lab) => {
      lab.verdict(REDIRECT);
      lab.set({ key: 99 });
    },
    (lab) => {
      send10(lab);
      lab.trace();
    },
  ),
  msg('msg redirect bad flags (2)', redirect(2), (lab) => {
    target('c')(lab);
    send10(lab);
    lab.trace();
  }),
  msg('msg redirect egress to c (d receives)', redirect(), (lab) => {
    target('c')(lab);
    send10(lab);
    for (const sock of [lab.b, lab.c, lab.d]) lab.recv(sock);
    lab.trace();
  }),
  msg('msg redirect ingress to c (c itself receives)', redirect(BPF_F_INGRESS), (lab) => {
    target('c')(lab);
    send10(lab);
    lab.fionread(lab.c);
    for (const sock of [lab.b, lab.c, lab.d]) lab.recv(sock);
    lab.trace();
  }),
  msg('msg redirect ingress to self a', redirect(BPF_F_INGRESS), (lab) => {
    target('a')(lab);
    send10(lab);
    lab.recv(lab.a);
    lab.recv(lab.b);
    lab.trace();
  }),
  msg('msg redirect egress to self a', redirect(), (lab) => {
    target('a')(lab);
    send10(lab);
    lab.recv(lab.a);
    lab.recv(lab.b);
    lab.trace();
  }),
  msg('msg redirect ingress to peer b', redirect(BPF_F_INGRESS), (lab) => {
    target('b')(lab);
    sendRecv(lab);
  }),
  msg(
    "msg redirect ingress order vs. normal data on same receiver (b gets a's plain bytes then redirected)",
    (lab) => {
      redirect(BPF_F_INGRESS)(lab);
      lab.verdict(PASS, REDIRECT, PASS);
    },
    (lab) => {
      target('b')(lab);
      for (const data of ['AAAA', 'BBBB', 'CCCC']) lab.send(lab.a, data);
      lab.recv(lab.b);
      lab.trace();
    },
  ),
  msg(
    'msg redirect hash egress',
    (lab) => {
      lab.verdict(REDIRECT);
      lab.set({ hash: 1, key: 7 });
    },
    (lab) => {
      lab.map('dst_hash').updateSock(new Uint8Array([7, 0, 0, 0]), lab.c);
      lab.say('hash upd 0');
      send10(lab);
      lab.recv(lab.d);
      lab.trace();
    },
  ),
  msg('msg redirect egress to socket whose peer closed', redirect(), (lab) => {
    target('c')(lab);
    lab.close(lab.d);
    for (let i = 0; i < 3; i++) send10(lab);
    lab.trace();
  }),
  msg('msg redirect target shutdown(SHUT_WR)', redirect(), (lab) => {
    target('c')(lab);
    lab.c.shutdown(1);
    send10(lab);
    lab.trace();
  }),
  msg('msg redirect target closed (removed from map)', redirect(), (lab) => {
    target('c')(lab);
    lab.close(lab.c);
    send10(lab);
    lab.trace();
  }),
];

const apply = (name: string, bytes: number, verdicts: readonly number[], act: (lab: Lab) => void): Scenario =>
  msg(
    name,
    (lab) => {
      lab.set({ apply: bytes });
      lab.verdict(...verdicts);
    },
    act,
  );

const APPLY: readonly Scenario[] = [
  apply('apply 4, send 10, PASS', 4, [PASS], sendRecv),
  apply('apply 4, verdicts PASS,DROP: send 10', 4, [PASS, DROP], sendRecv),
  apply('apply 4, verdicts PASS,PASS,DROP: send 10', 4, [PASS, PASS, DROP], sendRecv),
  apply('apply 4, verdicts DROP,PASS: send 10 then 10', 4, [DROP, PASS], (lab) => {
    send10(lab);
    sendRecv(lab);
  }),
  apply('apply 4 redirect,PASS,redirect: send 10', 4, [REDIRECT, PASS, REDIRECT], (lab) => {
    target('c')(lab);
    send10(lab);
    lab.recv(lab.b);
    lab.recv(lab.d);
    lab.trace();
  }),
  apply('apply 10 spans sends 4,4,4,4', 10, [PASS], (lab) => {
    sendFours(lab, 4);
    lab.recv(lab.b);
    lab.trace();
  }),
  apply('apply 10, first DROP: sends 4,4,4 ', 10, [DROP, PASS], (lab) => {
    sendFours(lab, 4);
    lab.recv(lab.b);
    lab.trace();
  }),
  apply('apply 10 redirect spans sends 4,4,4 (egress c)', 10, [REDIRECT, PASS], (lab) => {
    target('c')(lab);
    sendFours(lab, 4);
    lab.recv(lab.b);
    lab.recv(lab.d);
    lab.trace();
  }),
  apply('apply 4 with 20000-byte send PASS', 8000, [PASS], (lab) => {
    lab.send(lab.a, big(20000));
    lab.recv(lab.b);
    lab.trace();
  }),
];

const cork = (name: string, verdicts: readonly number[], act: (lab: Lab) => void, apply = 0): Scenario =>
  msg(
    name,
    (lab) => {
      lab.set({ cork: 10, apply });
      lab.verdict(...verdicts);
    },
    act,
  );

const CORK: readonly Scenario[] = [
  cork('cork 10: sends 4,4,4 then 4', [PASS], (lab) => {
    for (let i = 0; i < 4; i++) {
      lab.send(lab.a, al(4 * i, 4));
      lab.recv(lab.b);
    }
    lab.trace();
  }),
  cork('cork 10: send 4 then delete from map; then close', [PASS], (lab) => {
    lab.send(lab.a, al(0, 4));
    lab.remove('src', 0);
    lab.say('delete=0');
    lab.recv(lab.b);
    lab.send(lab.a, 'ZZZ');
    lab.recv(lab.b);
    lab.close(lab.a);
    lab.recv(lab.b);
    lab.trace();
  }),
  cork('cork 10: send 4, close', [PASS], (lab) => {
    lab.send(lab.a, al(0, 4));
    lab.close(lab.a);
    lab.recv(lab.b);
    lab.trace();
  }),
  cork('cork 10: send 30 at once', [PASS], (lab) => {
    lab.send(lab.a, al(0, 30));
    lab.recv(lab.b);
    lab.trace();
  }),
  cork('cork 10, verdict DROP: sends 4,8', [DROP], (lab) => {
    lab.send(lab.a, al(0, 4));
    lab.send(lab.a, al(0, 8));
    lab.recv(lab.b);
    lab.trace();
  }),
  cork('cork 10 redirect egress: sends 4,8', [REDIRECT], (lab) => {
    target('c')(lab);
    lab.send(lab.a, al(0, 4));
    lab.send(lab.a, al(4, 8));
    lab.recv(lab.d);
    lab.recv(lab.b);
    lab.trace();
  }),
  cork(
    'cork 10 apply 3: sends 4,8',
    [PASS],
    (lab) => {
      lab.send(lab.a, al(0, 4));
      lab.send(lab.a, al(4, 8));
      lab.recv(lab.b);
      lab.trace();
    },
    3,
  ),
];

const pull = (name: string, start: number, end: number): Scenario =>
  msg(name, (lab) => lab.set({ pull: 1, pullStart: start, pullEnd: end }), sendRecv);
const push = (name: string, start: number, length: number): Scenario =>
  msg(name, (lab) => lab.set({ push: 1, pushStart: start, pushLen: length }), sendRecv);
const pop = (name: string, start: number, length: number): Scenario =>
  msg(name, (lab) => lab.set({ pop: 1, popStart: start, popLen: length }), sendRecv);
const withDrop = (scenario: Scenario): Scenario => ({
  name: scenario.name,
  run: (lab) => {
    lab.verdict(DROP);
    scenario.run(lab);
  },
});

const DATA: readonly Scenario[] = [
  pull('pull 0..5 of 10', 0, 5),
  pull('pull 5..5 / start>=end', 5, 5),
  pull('pull 0..11 beyond end of 10', 0, 11),
  pull('pull 12..20 beyond', 12, 20),
  msg(
    'dlen for large sends 40000, no pull',
    () => undefined,
    (lab) => {
      lab.send(lab.a, big(40000));
      lab.recv(lab.b);
      lab.trace();
    },
  ),
  msg(
    'dlen for 300000 (multiple chunks)',
    () => undefined,
    (lab) => {
      lab.send(lab.a, big(300000));
      lab.trace();
      lab.recv(lab.b);
      lab.trace();
    },
  ),
  msg(
    'writev 3 iovecs x 4',
    () => undefined,
    (lab) => {
      lab.say(`writev=${lab.a.sendv([0, 4, 8].map((at) => text(al(at, 4))))}`);
      lab.recv(lab.b);
      lab.trace();
    },
  ),
  msg(
    'sendmsg zero length',
    () => undefined,
    (lab) => {
      lab.send(lab.a, '');
      lab.recv(lab.b);
      lab.trace();
    },
  ),
  push('push at 0 len 3 into 10', 0, 3),
  push('push at 5 len 3', 5, 3),
  push('push at 10 (end) len 3', 10, 3),
  push('push at 11 (beyond) len 3', 11, 3),
  push('push len 0', 1, 0),
  withDrop(push('push then DROP: return value', 0, 3)),
  pop('pop 0 len 3 of 10', 0, 3),
  pop('pop 4 len 3', 4, 3),
  pop('pop 7 len 3 (tail)', 7, 3),
  pop('pop 0 len 10 (all)', 0, 10),
  pop('pop 8 len 3 (beyond)', 8, 3),
  pop('pop 10 len 1 (start==size)', 10, 1),
  pop('pop len 0', 0, 0),
  withDrop(pop('pop 4 len 3 then DROP', 4, 3)),
  msg(
    'push 2@1 + pop 3@0 + apply 5, send 10',
    (lab) => lab.set({ apply: 5, push: 1, pushStart: 1, pushLen: 2, pop: 1, popStart: 0, popLen: 3 }),
    sendRecv,
  ),
];

export const MSG_SCENARIOS: readonly Scenario[] = [...BASIC, ...APPLY, ...CORK, ...DATA];
