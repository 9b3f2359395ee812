import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../../shared/testing/until.ts';
import { Proxy } from './proxy.ts';

interface Ends {
  readonly proxy: Proxy;
  readonly client: Socket;
  readonly server: Socket;
  readonly clientHeard: () => string;
  readonly serverHeard: () => string;
}

/** A client and a server that talk through a proxy. */
async function talking(): Promise<Ends> {
  const listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const proxy = await Proxy.start(`tcp://127.0.0.1:${(listener.address() as AddressInfo).port}`);
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  const client = connectTo(proxy);
  const [server] = await accepted;
  server.on('error', () => undefined);
  onTestFinished(async () => {
    client.destroy();
    server.destroy();
    await proxy.close();
    listener.close();
  });
  const [clientHeard, serverHeard] = [hearing(client), hearing(server)];
  client.write('hello');
  await until(() => serverHeard() === 'hello');
  server.write('welcome');
  await until(() => clientHeard() === 'welcome');
  return { proxy, client, server, clientHeard, serverHeard };
}

function connectTo({ url }: Proxy): Socket {
  const client = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
  client.on('error', () => undefined);
  return client;
}

function hearing(socket: Socket): () => string {
  let heard = '';
  socket.on('data', (bytes: Buffer) => (heard += bytes.toString()));
  return () => heard;
}

/** Whatever is to happen on the wire has happened when bytes have come round on another connection. */
async function aRoundTripLater(): Promise<void> {
  await talking();
}

it('passes on what both say, and an end', async () => {
  const { client, server } = await talking();
  client.end();
  await until(() => expect(server.readableEnded).toBe(true));
});

it('carries more than its buffers hold', async () => {
  const { client, serverHeard } = await talking();
  client.write('x'.repeat(5_000_000));
  await until(() => expect(serverHeard()).toHaveLength(5_000_005));
});

it('ends connections when it is cut, and lets nobody in until it is restored', async () => {
  const { proxy, client, server } = await talking();
  proxy.cut();
  await until(() => client.closed && server.closed);
  const refused = connectTo(proxy);
  await until(() => refused.closed);
  proxy.restore();
  const welcome = connectTo(proxy);
  await once(welcome, 'connect');
  expect(welcome.closed).toBe(false);
  welcome.destroy();
});

it('holds everything back while it is stalled, and loses nothing', async () => {
  const { proxy, client, server, clientHeard, serverHeard } = await talking();
  proxy.stall();
  client.write(' again');
  server.write(' back');
  await aRoundTripLater();
  expect([serverHeard(), clientHeard()]).toEqual(['hello', 'welcome']);
  proxy.restore();
  await until(() => serverHeard() === 'hello again' && clientHeard() === 'welcome back');
});

it('lets requests through and loses the answers, and then resets the connection', async () => {
  const { proxy, client, server, clientHeard, serverHeard } = await talking();
  proxy.loseAnswers();
  client.write(' again');
  await until(() => serverHeard() === 'hello again');
  server.write(' back');
  await until(() => proxy.lostBytes === ' back'.length);
  const broken = once(client, 'error') as Promise<[Error]>;
  proxy.restore();
  expect((await broken)[0].message).toContain('ECONNRESET');
  expect(clientHeard()).toBe('welcome');
});

it('resets connections', async () => {
  const { proxy, client, server } = await talking();
  const errors = Promise.all([once(client, 'error'), once(server, 'error')]) as Promise<[[Error], [Error]]>;
  proxy.reset();
  expect((await errors).map(([{ message }]) => message)).toEqual([
    expect.stringContaining('ECONNRESET'),
    expect.stringContaining('ECONNRESET'),
  ]);
});

it('leaves the client of a half-open connection in the belief that somebody is there', async () => {
  const { proxy, client, server, serverHeard } = await talking();
  const gone = once(server, 'close');
  proxy.halfOpen();
  await gone;
  client.write('is anybody there?');
  await aRoundTripLater();
  expect([client.closed, client.writable, serverHeard()]).toEqual([false, true, 'hello']);
  const other = connectTo(proxy);
  await once(other, 'connect');
  other.destroy();
});
