/** A real socket that an application hands over: it goes on reading and writing, and programs see its bytes. */
import dgram from 'node:dgram';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { progAttach } from '../../src/attach.js';
import { adoptSocket, nodeUdpSock, parseIp } from '../../src/net/node-sock.js';
import type { SockDuplex } from '../../src/net/node-sock.js';
import { AttachType } from '../../src/progs/prog-types.js';
import { Lab, u32 } from './lab.js';

const HOST = '127.0.0.1';
const cleanup: (() => void)[] = [];

afterEach(() => {
  for (const step of cleanup.splice(0).reverse()) step();
});

async function pair(): Promise<[net.Socket, net.Socket]> {
  const server = net.createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  const { port } = server.address() as net.AddressInfo;
  const client = net.connect({ port, host: HOST, allowHalfOpen: true });
  await new Promise((resolve) => client.once('connect', resolve));
  const socket = await accepted;
  cleanup.push(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  return [client, socket];
}

const nextData = (stream: NodeJS.ReadableStream): Promise<string> =>
  new Promise((resolve) => stream.once('data', (chunk: Buffer) => resolve(chunk.toString())));

async function adopted(lab: Lab): Promise<[net.Socket, SockDuplex]> {
  const [client, socket] = await pair();
  const duplex = adoptSocket(lab.vm.net, socket);
  cleanup.push(() => duplex.destroy());
  return [client, duplex];
}

describe('an adopted socket', () => {
  it('is untouched outside of maps', async () => {
    const [client, duplex] = await adopted(new Lab());
    client.write('in');
    expect(await nextData(duplex)).toBe('in');
    duplex.write('out');
    expect(await nextData(client)).toBe('out');
    const ended = new Promise((resolve) => duplex.once('end', resolve));
    client.end();
    await ended;
  });

  it('reads what a verdict passes, and not what it drops', async () => {
    const lab = new Lab();
    const [client, duplex] = await adopted(lab);
    lab.attach('stream');
    lab.verdict(0, 1);
    lab.map('src_map').updateSock(u32(0), duplex.sock);
    client.setNoDelay();
    client.write('dropped');
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.write('passed');
    expect(await nextData(duplex)).toBe('passed');
    expect(lab.runs).toBe(2);
  });

  it('writes through an sk_msg program, whose drop is an error', async () => {
    const lab = new Lab();
    const [client, duplex] = await adopted(lab);
    lab.attach('msg');
    lab.verdict(1, 0);
    lab.map('src_map').updateSock(u32(0), duplex.sock);
    duplex.write('fine');
    expect(await nextData(client)).toBe('fine');
    const failed = new Promise<NodeJS.ErrnoException>((resolve) => duplex.once('error', resolve));
    duplex.write('refused');
    expect((await failed).message).toContain('13');
  });

  it('receives what another socket is told to redirect to it', async () => {
    const lab = new Lab();
    const [clientA, a] = await adopted(lab);
    const [clientB, b] = await adopted(lab);
    lab.attach('skb');
    lab.verdict(2);
    lab.map('src_map').updateSock(u32(0), a.sock);
    lab.map('dst_map').updateSock(u32(0), b.sock);
    clientA.write('across');
    expect(await nextData(clientB)).toBe('across');
    lab.set({ flags: 1 });
    clientA.write('into');
    expect(await nextData(b)).toBe('into');
  });
});

describe('real datagrams', () => {
  it('run a verdict and are redirected to another real socket', async () => {
    const lab = new Lab();
    const open = async (): Promise<dgram.Socket> => {
      const socket = dgram.createSocket('udp4');
      await new Promise<void>((resolve) => socket.bind(0, HOST, resolve));
      return socket;
    };
    const [client, inner, outer, sink] = await Promise.all([open(), open(), open(), open()]);
    cleanup.push(() => client.close());
    cleanup.push(() => sink.close());
    const a = nodeUdpSock(lab.vm.net, inner);
    const b = nodeUdpSock(lab.vm.net, outer, { ip: parseIp(HOST), port: sink.address().port });
    cleanup.push(() => a.close());
    cleanup.push(() => b.close());
    progAttach(lab.object.program('skb_verdict'), lab.map('src_map'), AttachType.SkSkbVerdict);
    lab.verdict(2);
    lab.map('src_map').updateSock(u32(0), a);
    lab.map('dst_map').updateSock(u32(0), b);
    const arrived = new Promise<string>((resolve) =>
      sink.once('message', (message) => {
        resolve(message.toString());
      }),
    );
    client.send('datagram', inner.address().port, HOST);
    expect(await arrived).toBe('datagram');
    expect(lab.events()).toMatchObject([{ prog: 'kverdict', size: 8, dlen: 8, ret: 1 }]);
  });
});

describe('addresses', () => {
  it.each([
    ['127.0.0.1', [127, 0, 0, 1]],
    ['::ffff:10.1.2.3', [10, 1, 2, 3]],
    ['::1', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
    ['fe80::1%eth0', [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
    ['2001:db8:1:2:3:4:5:6', [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]],
  ])('%s', (text, bytes) => {
    expect([...parseIp(text)]).toEqual(bytes);
  });
});
