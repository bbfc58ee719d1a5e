import { describe, expect, it } from 'vitest';
import { ctxAccess, PROG_TYPES, returnRange } from '../../../src/progs/prog-table.js';
import { AttachType, ProgType } from '../../../src/progs/prog-types.js';

const READ = false;
const WRITE = true;

describe('context access', () => {
  it.each<[string, ProgType, AttachType | undefined, number, number, boolean, string | null]>([
    ['skb->len', ProgType.SocketFilter, undefined, 0, 4, READ, 'scalar'],
    ['a byte of skb->len', ProgType.SocketFilter, undefined, 1, 1, READ, 'scalar'],
    ['skb->len, written', ProgType.SchedCls, undefined, 0, 4, WRITE, null],
    ['skb->data by a filter', ProgType.SocketFilter, undefined, 76, 4, READ, null],
    ['skb->data', ProgType.SchedCls, undefined, 76, 4, READ, 'pkt'],
    ['half of skb->data', ProgType.SchedCls, undefined, 76, 2, READ, null],
    ['two words of skb->cb', ProgType.SchedCls, undefined, 48, 8, WRITE, 'scalar'],
    ['the end of skb->cb and more', ProgType.SchedCls, undefined, 64, 8, READ, null],
    ['skb->cb by sk_skb, written', ProgType.SkSkb, undefined, 48, 4, WRITE, null],
    ['skb->mark by sk_skb', ProgType.SkSkb, undefined, 8, 4, READ, null],
    ['skb->priority by sk_skb, written', ProgType.SkSkb, undefined, 32, 4, WRITE, 'scalar'],
    ['skb->sk', ProgType.SchedCls, undefined, 168, 8, READ, 'sock_common_or_null'],
    ['skb->tstamp_type', ProgType.SchedCls, undefined, 180, 1, READ, 'scalar'],
    ['padding', ProgType.SchedCls, undefined, 181, 1, READ, null],
    ['skb->family by tc', ProgType.SchedCls, undefined, 88, 4, READ, null],
    ['msg->data', ProgType.SkMsg, undefined, 0, 8, READ, 'pkt'],
    ['msg->data as a word', ProgType.SkMsg, undefined, 0, 4, READ, null],
    ['a byte of msg->size', ProgType.SkMsg, undefined, 68, 1, READ, null],
    ['ops->reply, written', ProgType.SockOps, undefined, 4, 4, WRITE, 'scalar'],
    ['ops->op, written', ProgType.SockOps, undefined, 0, 4, WRITE, null],
    ['egress_ifindex elsewhere', ProgType.Xdp, AttachType.Xdp, 20, 4, READ, null],
    ['egress_ifindex in a devmap', ProgType.Xdp, AttachType.XdpDevmap, 20, 4, READ, 'scalar'],
    ['lookup->remote_port as a word', ProgType.SkLookup, undefined, 36, 4, READ, 'scalar'],
    ['lookup->remote_port, upper half', ProgType.SkLookup, undefined, 38, 2, READ, null],
    ['two words of user_ip6', ProgType.CgroupSockAddr, AttachType.CgroupInet6Bind, 8, 8, WRITE, 'scalar'],
    ['user_ip6 at an IPv4 hook', ProgType.CgroupSockAddr, AttachType.CgroupInet4Bind, 8, 4, READ, null],
    ['a misaligned word', ProgType.SocketFilter, undefined, 2, 4, READ, null],
    ['before the start', ProgType.SocketFilter, undefined, -4, 4, READ, null],
  ])('%s', (_name, type, attach, offset, size, isWrite, reg) => {
    expect(ctxAccess(type, attach, offset, size, isWrite)?.reg ?? null).toBe(reg);
  });
});

describe('program types', () => {
  it('have layouts without overlap, inside their size', () => {
    for (const { ctx } of PROG_TYPES) {
      let end = 0;
      for (const field of ctx?.fields ?? []) {
        expect(field.offset).toBeGreaterThanOrEqual(end);
        end = field.offset + field.width * field.count;
      }
      if (ctx !== undefined) expect(end).toBeLessThanOrEqual(ctx.size);
    }
  });

  it.each([
    [ProgType.CgroupSkb, AttachType.CgroupInetIngress, [0, 1]],
    [ProgType.CgroupSkb, AttachType.CgroupInetEgress, [0, 3]],
    [ProgType.SkLookup, undefined, [0, 1]],
    [ProgType.SkSkb, undefined, undefined],
    [ProgType.CgroupSockAddr, AttachType.CgroupUdp4Recvmsg, [1, 1]],
  ])('type %i attached as %s returns %j', (type, attach, range) => {
    expect(returnRange(type, attach)).toEqual(range);
  });
});
