/** Attachment of programs to socket maps, with the errnos recorded on a live kernel (mapops.txt, "attach rules"). */
import { describe, expect, it } from 'vitest';
import { linkCreate, progAttach, progDetach, progQuery } from '../../src/attach.js';
import { errnoName, ErrnoError } from '../../src/errors.js';
import { AttachType } from '../../src/progs/prog-types.js';
import { Lab, u32 } from './lab.js';

const { SkMsgVerdict: MSG, SkSkbStreamParser: PARSER } = AttachType;
const { SkSkbStreamVerdict: STREAM, SkSkbVerdict: SKB, CgroupInetIngress: CGROUP } = AttachType;

function outcome(action: () => unknown): string {
  try {
    action();
    return 'OK';
  } catch (error) {
    if (error instanceof ErrnoError) return errnoName(error.errno);
    throw error;
  }
}

function setUp(): {
  attach: (program: string, type: AttachType, map?: string, flags?: number) => string;
  detach: (program: string, type: AttachType, map?: string) => string;
  lab: Lab;
} {
  const lab = new Lab();
  const { object, vm } = lab;
  const array = vm.createMap({ type: 'array', maxEntries: 1 });
  const mapOf = (name: string): ReturnType<typeof object.map> =>
    name === 'array' ? array : object.map(name);
  return {
    lab,
    attach: (program, type, map = 'src_map', flags = 0) =>
      outcome(() => {
        progAttach(object.program(program), mapOf(map), type, flags);
      }),
    detach: (program, type, map = 'src_map') =>
      outcome(() => {
        progDetach(object.program(program), mapOf(map), type);
      }),
  };
}

describe('attaching', () => {
  it('replaces, checks program types, and looks at no expected attach type', () => {
    const { attach, detach } = setUp();
    expect(attach('msg_prog', MSG)).toBe('OK');
    expect(attach('msg_prog', MSG)).toBe('OK');
    expect(attach('msg_prog', PARSER)).toBe('EINVAL');
    expect(attach('stream_verdict', MSG)).toBe('EINVAL');
    expect(detach('msg_prog', PARSER)).toBe('EINVAL');
    expect(attach('parser', PARSER)).toBe('OK');
    const pairs: [string, AttachType][] = [
      ['parser', STREAM],
      ['stream_verdict', PARSER],
      ['stream_verdict', SKB],
      ['skb_verdict', STREAM],
    ];
    for (const [program, type] of pairs) {
      expect(attach(program, type, 'dst_map')).toBe('OK');
      expect(detach(program, type, 'dst_map')).toBe('OK');
    }
  });

  it('keeps stream and skb verdicts apart, for detachment too', () => {
    const { attach, detach } = setUp();
    expect(attach('stream_verdict', STREAM)).toBe('OK');
    expect(attach('skb_verdict', SKB)).toBe('EBUSY');
    expect(detach('skb_verdict', STREAM)).toBe('ENOENT');
    expect(detach('skb_verdict', SKB)).toBe('EBUSY');
    expect(detach('stream_verdict', STREAM)).toBe('OK');
    expect(detach('stream_verdict', STREAM)).toBe('ENOENT');
  });

  it('refuses flags, other maps and other attach types', () => {
    const { attach } = setUp();
    expect(attach('stream_verdict', STREAM, 'src_map', 2)).toBe('EINVAL');
    expect(attach('msg_prog', MSG, 'array')).toBe('EOPNOTSUPP');
    expect(attach('msg_prog', 77 as AttachType)).toBe('EINVAL');
    expect(attach('msg_prog', CGROUP)).toBe('EINVAL');
  });

  it('is queried by type', () => {
    const { attach, lab } = setUp();
    const map = lab.map('src_map');
    expect(progQuery(map, MSG)).toEqual([]);
    attach('msg_prog', MSG);
    expect(progQuery(map, MSG)).toEqual([lab.object.program('msg_prog').id]);
    attach('skb_verdict', SKB);
    expect(outcome(() => progQuery(map, STREAM))).toBe('EBUSY');
  });
});

describe('a link', () => {
  it('takes over a plain attachment and keeps others out', () => {
    const { attach, detach, lab } = setUp();
    const map = lab.map('src_map');
    const program = lab.object.program('msg_prog');
    attach('msg_prog', MSG);
    const link = linkCreate(program, map, MSG);
    expect(detach('msg_prog', MSG)).toBe('EBUSY');
    expect(attach('msg_prog', MSG)).toBe('EBUSY');
    expect(outcome(() => linkCreate(program, map, MSG))).toBe('EBUSY');
    expect(outcome(() => link.update(program))).toBe('OK');
    const verdict = lab.object.program('stream_verdict');
    expect(outcome(() => link.update(verdict))).toBe('EINVAL');
    expect(outcome(() => link.update(program, verdict))).toBe('EPERM');
    expect(outcome(() => link.update(program, program))).toBe('OK');
    link.detach();
    expect(progQuery(map, MSG)).toEqual([]);
    expect(outcome(() => link.update(program))).toBe('ENOLINK');
    expect(attach('msg_prog', MSG)).toBe('OK');
  });

  it('is refused with flags, on other maps, and for a program of another type', () => {
    const { lab } = setUp();
    const { object, vm } = lab;
    const program = object.program('msg_prog');
    const array = vm.createMap({ type: 'array', maxEntries: 1 });
    expect(outcome(() => linkCreate(program, lab.map('src_map'), MSG, 1))).toBe('EINVAL');
    expect(outcome(() => linkCreate(program, array, MSG))).toBe('EINVAL');
    expect(outcome(() => linkCreate(program, lab.map('src_map'), SKB))).toBe('EINVAL');
    expect(outcome(() => linkCreate(object.program('stream_verdict'), lab.map('src_map'), SKB))).toBe('OK');
  });
});

describe('programs of two maps on one socket', () => {
  it('conflict where they are of the same kind', () => {
    const { attach, detach, lab } = setUp();
    const [src, dst] = [lab.map('src_map'), lab.map('dst_map')];
    const put = (map: typeof src): string =>
      outcome(() => {
        map.updateSock(u32(0), lab.a);
      });
    attach('stream_verdict', STREAM);
    attach('skb_verdict', SKB, 'dst_map');
    expect([put(src), put(dst)]).toEqual(['OK', 'EBUSY']);
    src.deleteElem(u32(0));
    expect(put(dst)).toBe('OK');
    expect(put(src)).toBe('EBUSY');
    dst.deleteElem(u32(0));
    attach('msg_prog', MSG, 'dst_map');
    detach('skb_verdict', SKB, 'dst_map');
    expect([put(src), put(dst)]).toEqual(['OK', 'OK']);
  });

  it('are refused by sockets without a stream where there is a parser', () => {
    const { attach, lab } = setUp();
    const { net } = lab.vm;
    attach('parser', PARSER);
    attach('stream_verdict', STREAM);
    attach('msg_prog', MSG, 'dst_map');
    const [udp] = net.udpPair();
    const [unix] = net.unixPair('stream');
    const listener = net.tcp();
    listener.listen();
    const put = (map: 'src_map' | 'dst_map', sock: Parameters<typeof lab.update>[2]): string =>
      outcome(() => {
        lab.map(map).updateSock(u32(1), sock);
      });
    expect(put('src_map', udp)).toBe('EOPNOTSUPP');
    expect(put('src_map', unix)).toBe('EOPNOTSUPP');
    expect(put('src_map', listener)).toBe('OK');
    expect(put('dst_map', udp)).toBe('OK');
  });
});
