import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { listen } from '../http/listen.ts';
import { freePort } from '../testing/ports.ts';
import { httpTransport, type HttpTransportOptions, type Transport } from './http-transport.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

function serve(answer: Answer): { readonly server: Server; readonly sockets: Set<Socket> } {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => answer(request, response));
  });
  server.on('connection', (socket) => sockets.add(socket));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, sockets };
}

function open(options: Partial<HttpTransportOptions>): Transport {
  const plain = { url: undefined, socket: undefined, token: undefined, requestsMax: 4, answerTimeoutMs: 30_000 };
  const transport = httpTransport({ ...plain, ...options });
  onTestFinished(() => transport.close());
  return transport;
}

const accept: Answer = (_, response) => void response.writeHead(202).end('{}');

it('keeps its connections, and sends the token that is right now', async () => {
  const seen: (string | undefined)[] = [];
  const { server, sockets } = serve((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    accept(request, response);
  });
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  let number = 0;
  const transport = open({ url: `http://127.0.0.1:${port}/`, token: () => `t${++number}` });
  for (let turn = 0; turn < 3; turn++) expect(await transport.post('[]')).toMatchObject({ status: 202, body: '{}' });
  expect(seen).toEqual([1, 2, 3].map((turn) => `POST /v1/events Bearer t${turn}`));
  expect(sockets.size).toBe(1);
});

it('speaks over a Unix socket', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-client-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const { server } = serve(accept);
  await listen(server, { path: join(folder, 'sidecar.sock') });
  expect(await open({ socket: join(folder, 'sidecar.sock') }).post('[]')).toMatchObject({ status: 202 });
  expect(await open({ socket: join(folder, 'nobody.sock') }).post('[]')).toMatchObject({
    kind: 'failure',
    mayHaveArrived: false,
  });
});

it('tells a request that never left from one that may have arrived', async () => {
  const nobody = open({ url: `http://127.0.0.1:${await freePort()}` });
  expect(await nobody.post('[]')).toMatchObject({ kind: 'failure', mayHaveArrived: false });

  const { server } = serve((request) => request.socket.destroy());
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  expect(await open({ url: `http://127.0.0.1:${port}` }).post('[]')).toMatchObject({
    kind: 'failure',
    mayHaveArrived: true,
  });
});

it('does not wait for ever, neither for an answer nor for its end', async () => {
  for (const begins of [false, true]) {
    const { server } = serve((_, response) => {
      if (begins) response.writeHead(202, { 'content-length': 100 }).write('{');
    });
    const port = await listen(server, { host: '127.0.0.1', port: 0 });
    const transport = open({ url: `http://127.0.0.1:${port}`, answerTimeoutMs: 100 });
    expect(await transport.post('[]')).toMatchObject({ kind: 'failure', mayHaveArrived: true });
  }
});

it('passes on when the sidecar wants to hear again, within reason', async () => {
  const given = ['2', '86400'];
  const { server } = serve((_, response) => {
    response.writeHead(503, { 'retry-after': given.shift() ?? '' }).end('{}');
  });
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  const transport = open({ url: `http://127.0.0.1:${port}` });
  expect(await transport.post('[]')).toMatchObject({ status: 503, retryAfterMs: 2_000 });
  expect(await transport.post('[]')).toMatchObject({ status: 503, retryAfterMs: 30_000 });
});

it('asks whether the sidecar is ready, and posts nothing with that', async () => {
  const seen: string[] = [];
  const { server } = serve((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    accept(request, response);
  });
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  expect(await open({ url: `http://127.0.0.1:${port}` }).probe()).toMatchObject({ kind: 'answer' });
  expect(seen).toEqual(['GET /readyz']);
});

it('fails what is under way when it is closed', async () => {
  const arrived = Promise.withResolvers<void>();
  const { server } = serve(() => arrived.resolve());
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  const transport = open({ url: `http://127.0.0.1:${port}` });
  const reply = transport.post('[]');
  await arrived.promise;
  transport.close();
  expect(await reply).toMatchObject({ kind: 'failure', mayHaveArrived: true });
});
