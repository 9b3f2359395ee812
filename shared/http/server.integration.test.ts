import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import type { HttpConfig } from '../config/http-config.ts';
import { Secret } from '../config/secret.ts';
import { createLog } from '../log/log.ts';
import { sendJson } from './respond.ts';
import { type Handler, type HttpOptions, type RunningHttp, startHttp } from './server.ts';

const log = createLog({ service: 'test', level: 'silent' });
const anywhere: HttpConfig = { host: '127.0.0.1', port: 0, socket: undefined, token: undefined, admin: undefined };
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(config: Partial<HttpConfig>, options: Partial<HttpOptions> = {}): Promise<RunningHttp> {
  const readiness = () => ({ ready: true, state: 'running', reasons: [] });
  const http = await startHttp({
    config: { ...anywhere, ...config },
    log,
    registry: new Registry(),
    readiness,
    ...options,
  });
  cleanups.push(() => http.stop(0));
  return http;
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Sends the path as it is written: `fetch` would shorten it. */
async function ask(
  target: number | string,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const where = typeof target === 'number' ? { host: '127.0.0.1', port: target } : { socketPath: target };
  const sent = httpRequest({ ...where, path, agent: false, ...options }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

const echo: Handler = (request, response) => sendJson(response, 200, { url: request.url });

it('answers the probes, and 503 with the reasons while it is not ready', async () => {
  let ready = false;
  const { port } = await start(
    {},
    { readiness: () => ({ ready, state: 'starting', reasons: ['The broker is away.'] }) },
  );
  expect(await ask(port, '/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
  expect(await ask(port, '/readyz?verbose')).toMatchObject({
    status: 503,
    body: '{"ready":false,"state":"starting","reasons":["The broker is away."]}',
  });
  ready = true;
  expect((await ask(port, '/readyz')).status).toBe(200);
  expect((await ask(port, '/metrics')).headers['content-type']).toContain('text/plain');
  expect(await ask(port, '/healthz', { method: 'POST' })).toMatchObject({ status: 405, headers: { allow: 'GET' } });
});

it('answers 404 for everything else when there is no handler', async () => {
  const { port } = await start({});
  const reply = await ask(port, '/v1/events');
  expect(reply.status).toBe(404);
  expect(JSON.parse(reply.body)).toMatchObject({ error: { code: 'not_found' } });
});

it('lets nobody into /v1 without the token, by whatever spelling of the path', async () => {
  const { port } = await start({ token: new Secret('abc') }, { handler: echo });
  expect((await ask(port, '/v1/events')).status).toBe(401);
  expect((await ask(port, '/v1/events', { headers: { authorization: 'Bearer wrong' } })).status).toBe(401);
  expect(await ask(port, '/v1/events', { headers: { authorization: 'Bearer abc' } })).toMatchObject({
    status: 200,
    body: '{"url":"/v1/events"}',
  });
  for (const path of [
    '//v1/events',
    '/x/../v1/events',
    '/./v1/events',
    '/%2e/v1/events',
    'http://other/v1/events',
    '\\v1/events',
  ]) {
    expect((await ask(port, path)).status, path).toBe(400);
  }
  expect((await ask(port, '/_sim/ledger')).status).toBe(200);
});

it('answers 500 when the handler throws or rejects, and goes on', async () => {
  const handler: Handler = (request) => {
    if (request.url === '/v1/throw') throw new Error('thrown');
    return Promise.reject(new Error('rejected'));
  };
  const { port } = await start({}, { handler });
  for (const path of ['/v1/throw', '/v1/reject', '/reject']) {
    expect(JSON.parse((await ask(port, path)).body), path).toMatchObject({ error: { code: 'internal' } });
  }
  expect((await ask(port, '/healthz')).status).toBe(200);
});

it('answers the probes, and nothing else, on the admin address', async () => {
  const { port, adminPort } = await start({ admin: { host: '127.0.0.1', port: 0 } }, { handler: echo });
  expect((await ask(port, '/v1/events')).status).toBe(200);
  expect((await ask(adminPort ?? 0, '/readyz')).status).toBe(200);
  expect((await ask(adminPort ?? 0, '/v1/events')).status).toBe(404);
});

it('lets an answer in progress finish, says that the connection ends, and takes no new one', async () => {
  const { promise: entered, resolve: enter } = Promise.withResolvers<ServerResponse>();
  const http = await start({}, { handler: (_, response) => enter(response) });
  const reply = ask(http.port, '/v1/slow', { headers: { connection: 'keep-alive' } });
  const response = await entered;
  const stopped = http.stop(5_000);
  await expect(ask(http.port, '/healthz')).rejects.toThrow('ECONNREFUSED');
  sendJson(response, 200, {});
  expect((await reply).status).toBe(200);
  await stopped;
});

it('ends what does not finish within the bound', async () => {
  const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
  const http = await start({}, { handler: () => enter() });
  const reply = ask(http.port, '/v1/never').catch((error: unknown) => error);
  await entered;
  await http.stop(30);
  expect(await reply).toMatchObject({ code: 'ECONNRESET' });
});

async function socketPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-http-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  return join(folder, 'sidecar.sock');
}

it('listens on a Unix socket and removes it when it stops', async () => {
  const socket = await socketPath();
  const http = await start({ socket }, { handler: echo });
  expect((await ask(socket, '/v1/events')).status).toBe(200);
  await http.stop(0);
  await expect(stat(socket)).rejects.toThrow('ENOENT');
});

it('takes over the socket file of a process that was killed', async () => {
  const socket = await socketPath();
  const listener = 'net.createServer().listen(process.argv[1], () => console.log("listening"))';
  const other = spawn(process.execPath, ['--eval', listener, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(other.stdout, 'data');
  other.kill('SIGKILL');
  await once(other, 'exit');
  expect((await stat(socket)).isSocket()).toBe(true);
  await start({ socket }, { handler: echo });
  expect((await ask(socket, '/healthz')).status).toBe(200);
});

it('leaves the socket of a living process alone', async () => {
  const socket = await socketPath();
  const other = createServer().listen(socket);
  await once(other, 'listening');
  cleanups.push(async () => void other.close());
  await expect(start({ socket })).rejects.toThrow(`Another process listens on the socket ${socket}`);
  expect((await stat(socket)).isSocket()).toBe(true);
});
