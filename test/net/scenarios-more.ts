/** Scenarios of the second recording: errors of parsers, partial reads, sticky drops, corks. */
import { errnoName } from '../../src/errors.js';
import { MSG_MORE, MSG_PEEK, SHUT_RD } from '../../src/net/sock.js';
import type { Lab } from './lab.js';
import type { Scenario } from './scenarios-msg.js';
import { al, big, BPF_F_INGRESS, DROP, PASS, REDIRECT } from './scenarios-msg.js';

function parser(name: string, values: readonly number[], sends: readonly number[]): Scenario {
  return {
    name,
    run: (lab) => {
      lab.attach('parser', 'stream');
      lab.set({ parserMode: 1, parserValue: values[0] });
      lab.update('src', 0, lab.b);
      sends.forEach((length, index) => {
        lab.set({ parserValue: values[Math.min(index, values.length - 1)] });
        lab.send(lab.a, al(0, length));
      });
    },
  };
}

const after = (scenario: Scenario, act: (lab: Lab) => void): Scenario => ({
  name: scenario.name,
  run: (lab) => {
    scenario.run(lab);
    act(lab);
  },
});

const refused = (value: number): Scenario =>
  after(parser(`parser ret ${value}`, [value], [4]), (lab) => {
    lab.soError(lab.b);
    lab.recv(lab.b);
    lab.send(lab.a, al(0, 4));
    lab.soError(lab.b);
    lab.trace();
  });

const closing = (name: string, value: number, length: number): Scenario =>
  after(parser(name, [value], [length]), (lab) => {
    lab.close(lab.a);
    lab.recv(lab.b);
    lab.soError(lab.b);
    lab.trace();
  });

const errorAndTrace = (lab: Lab): void => {
  lab.soError(lab.b);
  lab.trace();
};

/** An sk_msg program on a redirects into c. */
function intoC(name: string, act: (lab: Lab) => void): Scenario {
  return {
    name,
    run: (lab) => {
      lab.attach('msg');
      lab.verdict(REDIRECT);
      lab.set({ flags: BPF_F_INGRESS });
      lab.update('src', 0, lab.a);
      lab.update('dst', 0, lab.c);
      act(lab);
    },
  };
}

const counted = (lab: Lab, length: number, flags = 0): string => {
  const got = lab.c.recv(length, flags);
  return typeof got === 'number' ? `-1 ${errnoName(got)}` : `${got.length} `;
};

function sticky(name: string, verdicts: readonly number[], act: (lab: Lab) => void): Scenario {
  return {
    name,
    run: (lab) => {
      lab.attach('msg');
      lab.verdict(...verdicts);
      lab.update('src', 0, lab.a);
      act(lab);
    },
  };
}

function corked(name: string, bytes: number, sends: readonly number[]): Scenario {
  return {
    name,
    run: (lab) => {
      lab.attach('msg');
      lab.set({ cork: bytes });
      lab.update('src', 0, lab.a);
      let at = 0;
      for (const length of sends) {
        lab.send(lab.a, al(at, length));
        at += length;
      }
      lab.recv(lab.b);
      lab.trace();
    },
  };
}

export const MORE_SCENARIOS: readonly Scenario[] = [
  ...[-1, -22, -86, 100_000_000, -61].map(refused),
  after(parser('parser 0 then 4 (bad hdr)', [0, 4], [8, 4]), errorAndTrace),
  after(parser('parser 0 then -86 (accum>0)', [0, -86], [8, 4]), errorAndTrace),
  closing('parser const 16, 4 bytes then peer close', 16, 4),
  closing('parser const 4 verdict PASS, peer close after 10', 4, 10),
  intoC('blocking recv wakes on ingress redirect', (lab) => {
    let woken = 0;
    lab.c.onEvent = (event) => {
      if (event === 'readable') woken++;
    };
    lab.a.send(new TextEncoder().encode(al(0, 7)));
    const got = lab.c.recv(64);
    lab.say(`blocking recv(c)=${woken > 0 && typeof got !== 'number' ? got.length : 'not woken'}`);
  }),
  intoC('recv small buffers from psock queue: 10 bytes ingress, recv 3+3+64', (lab) => {
    lab.send(lab.a, al(0, 10));
    for (const length of [3, 3, 64, 64]) lab.say(`recv(${length})=${counted(lab, length)}`);
  }),
  intoC('two ingress msgs coalesce in one recv', (lab) => {
    lab.send(lab.a, 'AAA');
    lab.send(lab.a, 'BBBB');
    lab.recv(lab.c);
  }),
  { name: 'MSG_WAITALL/partial? recv len 64 when two msgs', run: () => undefined },
  {
    name: 'sender in map w/ verdict prog & msg PASS; receiver also in map w/ verdict PASS',
    run: (lab) => {
      lab.attach('msg', 'stream');
      lab.update('src', 0, lab.a);
      lab.update('src', 1, lab.b);
      lab.send(lab.a, al(0, 10));
      lab.recv(lab.b);
      lab.send(lab.b, al(0, 5));
      lab.recv(lab.a);
      lab.trace();
    },
  },
  intoC('msg redirect ingress target closed by peer (FIN seen)', (lab) => {
    lab.close(lab.d);
    lab.send(lab.a, al(0, 10));
    lab.recv(lab.c);
  }),
  intoC('msg redirect ingress target shutdown RD', (lab) => {
    lab.c.shutdown(SHUT_RD);
    lab.send(lab.a, al(0, 10));
    lab.recv(lab.c);
  }),
  intoC('MSG_PEEK on redirected ingress', (lab) => {
    lab.send(lab.a, al(0, 10));
    lab.say(`peek=${counted(lab, 64, MSG_PEEK).trim()}`);
    lab.recv(lab.c);
  }),
  sticky('DROP sticky: DROP,PASS with 3 sends', [DROP, PASS], (lab) => {
    for (const data of ['AAAA', 'BBBB', 'CCCC']) lab.send(lab.a, data);
    lab.recv(lab.b);
    lab.trace();
  }),
  sticky('DROP,PASS then delete+reinsert', [DROP, PASS], (lab) => {
    lab.send(lab.a, 'AAAA');
    lab.remove('src', 0);
    lab.update('src', 0, lab.a);
    lab.send(lab.a, 'BBBB');
    lab.recv(lab.b);
    lab.trace();
  }),
  sticky('redirect-to-missing (DROP) then target added: sticky?', [REDIRECT], (lab) => {
    lab.send(lab.a, 'AAAA');
    lab.update('dst', 0, lab.c);
    lab.send(lab.a, 'BBBB');
    lab.recv(lab.d);
    lab.trace();
  }),
  {
    name: 'PASS with MSG_MORE x2 then normal',
    run: (lab) => {
      lab.attach('msg');
      lab.update('src', 0, lab.a);
      lab.send(lab.a, 'AA', MSG_MORE);
      lab.send(lab.a, 'BB', MSG_MORE);
      lab.send(lab.a, 'CC');
      lab.recv(lab.b);
      lab.trace();
    },
  },
  corked('cork 10 sends 4, then 20', 10, [4, 20]),
  corked('cork 8: sends 4,4 (exact)', 8, [4, 4]),
  {
    name: 'cork 1MB: 17+ page frags full -> flush (sends of 32768)',
    run: (lab) => {
      lab.attach('msg');
      lab.set({ cork: 1 << 20 });
      lab.update('src', 0, lab.a);
      for (let i = 0; i < 30; i++) {
        const sent = lab.a.send(big(32768));
        const ends = lab.runs > 1 || sent <= 0;
        if (i < 3 || ends) lab.say(`send#${i}=${sent < 0 ? -1 : sent} runs=${lab.runs}`);
        if (ends) break;
      }
      lab.recv(lab.b);
      lab.trace();
    },
  },
];
