/** The proxy on real loopback sockets: nothing is lost, ends are passed on, slow readers slow senders down. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { progAttach } from '../../src/attach.js';
import { BpfVm } from '../../src/bpf-vm.js';
import { Proxy } from '../../src/cli/proxy.js';
import type { ProxyOptions } from '../../src/cli/proxy.js';
import type { SockMapBase } from '../../src/maps/sock-map.js';

const HOST = '127.0.0.1';
const cleanup: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

function example(vm: BpfVm, name: string): SockMapBase {
  const file = fileURLToPath(new URL(`../../examples/${name}.bpf.o`, import.meta.url));
  const object = vm.load(readFileSync(file), { name });
  const map = [...object.maps.values()].find((candidate) =>
    candidate.name.startsWith('sock_'),
  ) as SockMapBase;
  for (const program of object.programs.values()) progAttach(program, map, program.expectedAttachType);
  return map;
}

/** A server in the background; its port. */
async function serve(handler: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    handler(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  cleanup.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

async function proxyTo(
  name: 'proxy' | 'pairs',
  port: number,
): Promise<{ proxy: Proxy; port: number; vm: BpfVm; map: SockMapBase }> {
  const vm = new BpfVm();
  const map = example(vm, name);
  const options: ProxyOptions = {
    net: vm.net,
    maps: [map],
    listen: [{ key: 0, host: HOST, port: 0 }],
    connect: [{ key: 1, host: HOST, port }],
    log: () => undefined,
    ...(name === 'pairs' ? { pair: true, keyTemplate: 'peer_local_port_host,peer_remote_port_host' } : {}),
  };
  const proxy = new Proxy(options);
  await proxy.start();
  cleanup.push(() => proxy.stop());
  return { proxy, port: proxy.addresses[0].port, vm, map };
}

const connect = (port: number): Promise<net.Socket> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: HOST, allowHalfOpen: true }, () => {
      resolve(socket);
    });
    socket.once('error', reject);
  });

/** Everything until the end of the stream. */
const readAll = (socket: net.Socket): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => {
      resolve(Buffer.concat(chunks));
    });
    socket.on('error', reject);
  });

const pattern = (size: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(size);
  for (let i = 0, x = seed; i < size; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = x >>> 16;
  }
  return bytes;
};

const until = async (what: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(what()).toBe(true);
};

describe.each(['proxy', 'pairs'] as const)('%s.bpf.o on real sockets', (name) => {
  it('carries 16 MiB both ways intact and passes the ends on', async () => {
    const reply = pattern(1 << 20, 2);
    const upstream = await serve((socket) => {
      const hash = createHash('sha256');
      socket.on('data', (chunk) => hash.update(chunk));
      socket.on('end', () => {
        socket.write(hash.digest());
        socket.end(reply);
      });
    });
    const { port, proxy, map } = await proxyTo(name, upstream);
    const client = await connect(port);
    const data = pattern(16 << 20, 1);
    client.end(data);
    const answer = await readAll(client);
    expect(answer.subarray(0, 32)).toEqual(createHash('sha256').update(data).digest());
    expect(answer.subarray(32).equals(reply)).toBe(true);
    await until(() => proxy.stats.open === 0);
    expect(map.count).toBe(0);
    expect(proxy.stats).toMatchObject({ total: 1, failed: 0, relayed: 0 });
  });

  it('serves one connection after another', async () => {
    const upstream = await serve((socket) => socket.pipe(socket));
    const { port, proxy } = await proxyTo(name, upstream);
    const answers = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const client = await connect(port);
        client.end(`hello ${index}`);
        return (await readAll(client)).toString();
      }),
    );
    expect(answers).toEqual(Array.from({ length: 8 }, (_, index) => `hello ${index}`));
    await until(() => proxy.stats.open === 0);
  });
});

describe('the proxy', () => {
  it('keeps little of what a slow reader does not take', async () => {
    let paused: net.Socket | undefined;
    const upstream = await serve((socket) => {
      socket.pause();
      paused = socket;
    });
    const { port, proxy } = await proxyTo('proxy', upstream);
    const client = await connect(port);
    client.on('error', () => undefined);
    const chunk = Buffer.alloc(1 << 16);
    const write = (): void => {
      while (client.write(chunk));
    };
    client.on('drain', write);
    write();
    await until(() => paused !== undefined);
    await new Promise((resolve) => setTimeout(resolve, 500));
    // What the proxy holds: what it took and has not handed to the system.
    const { bytesIn, bytesOut } = proxy.stats;
    expect(bytesIn).toBeLessThan(64 << 20);
    expect(bytesIn - bytesOut).toBeLessThan(4 << 20);
    client.destroy();
  });

  it('survives connections that are reset at any moment, and forgets them', async () => {
    const upstream = await serve((socket) => {
      socket.on('data', (chunk: Buffer) => {
        if (chunk[0] % 5 === 0) socket.resetAndDestroy();
        else socket.write(chunk);
      });
      socket.on('end', () => socket.end());
    });
    const { port, proxy, vm, map } = await proxyTo('pairs', upstream);
    const one = async (index: number): Promise<void> => {
      const client = await connect(port);
      client.on('error', () => undefined);
      const closed = new Promise((resolve) => client.on('close', resolve));
      client.resume();
      if (index % 4 === 0) client.resetAndDestroy();
      else client.end(Buffer.from([index, 1, 2, 3]));
      await closed;
    };
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 30 }, (_, index) => one(round * 30 + index)));
    }
    await until(() => proxy.stats.open === 0);
    expect(map.count).toBe(0);
    expect(vm.net.list()).toEqual([]);
  });

  it('relays what programs pass, as an application would', async () => {
    const upstream = await serve((socket) => socket.pipe(socket));
    const vm = new BpfVm();
    const map = vm.createMap({ type: 'sockmap', valueSize: 8, maxEntries: 2 }) as SockMapBase;
    const proxy = new Proxy({
      net: vm.net,
      maps: [map],
      listen: [{ key: 0, host: HOST, port: 0 }],
      connect: [{ key: 1, host: HOST, port: upstream }],
      log: () => undefined,
    });
    await proxy.start();
    cleanup.push(() => proxy.stop());
    const client = await connect(proxy.addresses[0].port);
    client.end('no programs at all');
    expect((await readAll(client)).toString()).toBe('no programs at all');
    expect(proxy.stats.relayed).toBe(36);
  });

  it('resets a client whose upstream does not answer', async () => {
    const { port, proxy } = await proxyTo('proxy', 1);
    const client = await connect(port);
    client.resume();
    await new Promise<void>((resolve) => {
      client.on('error', () => undefined);
      client.on('close', () => {
        resolve();
      });
    });
    expect(proxy.stats.failed).toBe(1);
  });
});
