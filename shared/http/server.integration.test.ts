import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import type { HttpConfig } from '../config/http-config.ts';
import { Secret } from '../config/secret.ts';
import { createLog } from '../log/log.ts';
import { until } from '../testing/until.ts';
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
  for (const path of ['//v1/events', '/x/../v1/events', '/./v1/events', '/%2e/v1/events', '\\v1/events']) {
    expect((await ask(port, path)).status, path).toBe(400);
  }
  expect((await ask(port, '/_sim/ledger')).status).toBe(200);
});

// Answered with 400 before, though every server must take it (RFC 9112, 3.2.2).
it('takes a request line with the whole address, and guards it as the path alone', async () => {
  const { port } = await start({ token: new Secret('abc') }, { handler: echo });
  const authorization = { authorization: 'Bearer abc' };
  expect((await ask(port, 'http://other/v1/events')).status).toBe(401);
  expect(await ask(port, 'HTTP://other:80/v1/events?x=1', { headers: authorization })).toMatchObject({
    status: 200,
    body: '{"url":"/v1/events?x=1"}',
  });
  expect((await ask(port, 'http://other/healthz')).status).toBe(200);
  expect((await ask(port, 'http://other')).status).toBe(200);
  for (const path of [
    'http://other//v1/events',
    'http://other/x/../v1/events',
    'http:///v1/events',
    'ftp://other/v1/events',
  ]) {
    expect((await ask(port, path, { headers: authorization })).status, path).toBe(400);
  }
});

it('says which path was probably meant, or which there are', async () => {
  const { port } = await start({});
  const message = async (path: string) =>
    (JSON.parse((await ask(port, path)).body) as { error: { message: string } }).error.message;
  expect(await message('/health')).toBe('There is nothing at /health. Did you mean GET /healthz?');
  expect(await message('/v1/events')).toBe(
    'There is nothing at /v1/events. There is GET /healthz, GET /readyz, GET /metrics.',
  );
});

it('guards /v2 with the token too, save the paths that the handler guards itself', async () => {
  const guardedByHandler = new Set(['/v2/stream']);
  const { port } = await start({ token: new Secret('abc') }, { handler: echo, guardedByHandler });
  expect((await ask(port, '/v2/session')).status).toBe(401);
  expect((await ask(port, '/v2/session', { headers: { authorization: 'Bearer abc' } })).status).toBe(200);
  expect((await ask(port, '/v2/stream')).status).toBe(200);
  for (const path of ['/v2/stream?x', '/v2/stream/', '/v2/x/../stream']) {
    expect((await ask(port, path)).status, path).toBe(401);
  }
});

it('lets the service tell in its own words that the token is missing', async () => {
  const refuse = (_: IncomingMessage, response: ServerResponse) => sendJson(response, 401, { refused: true });
  const { port } = await start({ token: new Secret('abc') }, { handler: echo, refuse });
  expect(await ask(port, '/v1/events')).toMatchObject({ status: 401, body: '{"refused":true}' });
});

async function connectTo(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  cleanups.push(async () => void socket.destroy());
  await once(socket, 'connect');
  return socket.setEncoding('utf8');
}

/** Everything that is said until the connection is closed. */
async function heard(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  await ended(socket);
  return text;
}

/** Resolves when the connection is closed, or reset. */
function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket
      .on('error', () => undefined)
      .once('close', () => resolve())
      .resume();
  });
}

const bounds = { headMs: 200, requestMs: 400, silenceMs: 600, connectionsMax: 3 };

it.each([
  ['says nothing', ''],
  ['does not finish its head', 'POST /v1/events HTTP/1.1\r\nHost: x\r\n'],
  ['does not finish its body', 'POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{'],
])('answers a client that %s with 408 and hangs up', async (_, sent) => {
  const handler: Handler = (request) => void request.resume();
  const { port } = await start({}, { handler, bounds });
  const socket = await connectTo(port);
  socket.write(sent);
  expect(await heard(socket)).toMatch(/^HTTP\/1\.1 408 /);
});

it.each([
  ['that ends with it', 'Connection: close\r\n', {}],
  ['to a stranger', '', { token: new Secret('abc') }],
])(
  'gives an answer before the end of a request, on a connection %s, to a client that goes on sending',
  async (_, header, config) => {
    const handler: Handler = (__, response) => sendJson(response, 413, { large: true });
    const { port } = await start(config, { handler });
    const socket = await connectTo(port);
    const answer = heard(socket);
    const bytes = 32 * 1024 ** 2;
    socket.write(`POST /v1/events HTTP/1.1\r\nHost: x\r\n${header}Content-Length: ${bytes}\r\n\r\n`);
    // Sends all of it before it reads, as many clients do.
    socket.pause();
    await new Promise<void>((resolve, reject) => {
      socket.once('close', () => reject(new Error('It was hung up on while it was sending.')));
      socket.write(Buffer.alloc(bytes), () => resolve());
    });
    socket.resume();
    expect(await answer).toMatch(/^HTTP\/1\.1 4\d\d .*\r\n[^]*\}$/);
  },
);

it('hangs up on a client whose head comes too slowly, byte by byte', async () => {
  const { port } = await start({}, { handler: echo, bounds });
  const socket = await connectTo(port);
  const drip = setInterval(() => socket.writable && socket.write('x'), 20);
  cleanups.push(async () => clearInterval(drip));
  socket.write('POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Slow: ');
  // What the client still writes meets a closed socket: the reset may overtake the answer on its way.
  expect(await heard(socket)).toMatch(/^(HTTP\/1\.1 408 |$)/);
});

it('hangs up when nothing is said in either direction for too long, as on a half-open connection', async () => {
  const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
  const { port } = await start({}, { handler: () => enter(), bounds });
  const socket = await connectTo(port);
  socket.write('GET /v1/never HTTP/1.1\r\nHost: x\r\n\r\n');
  await entered;
  expect(await heard(socket)).toBe('');
});

it('hangs up on connections beyond its bound, and takes new ones when there is room again', async () => {
  const { port } = await start({}, { handler: echo, bounds: { connectionsMax: 2 } });
  const sockets = [await connectTo(port), await connectTo(port)];
  expect(await heard(await connectTo(port))).toBe('');
  sockets[0]?.destroy();
  await until(async () => expect((await ask(port, '/v1/events')).status).toBe(200));
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

// The sidecar took its whole drain time, 25 s, to stop when one connection had never sent a byte.
it.each([
  ['says nothing', '', ''],
  ['has had its answer', 'GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n', ''],
  ['has sent half a head', '', 'POST /v1/events HTTP/1.1\r\n'],
  ['has had its answer and sent half a head', 'GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n', 'POST /v1/ev'],
  ['has sent half a body', '', 'POST /v1/read HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{'],
])('does not wait for a client that %s when it stops', async (_, first, second) => {
  const handler: Handler = (request, response) => {
    if (request.url === '/v1/read') request.resume();
    else sendJson(response, 200, {});
  };
  const http = await start({ admin: { host: '127.0.0.1', port: 0 } }, { handler });
  const sockets = [await connectTo(http.port), await connectTo(http.adminPort ?? 0)];
  for (const socket of sockets) {
    if (first !== '') {
      socket.write(first);
      await once(socket, 'data');
    }
    if (second !== '') await new Promise((resolve) => socket.write(second, resolve));
  }
  const closed = sockets.map(ended);
  const startedMs = performance.now();
  await http.stop(25_000);
  expect(performance.now() - startedMs).toBeLessThan(second === '' ? 1_000 : 5_000);
  await Promise.all(closed);
});

it('does not wait for a client that does not read its answer', async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const handler: Handler = (_, response) => {
    response.end(Buffer.alloc(64 * 1024 ** 2));
    answer();
  };
  const http = await start({}, { handler });
  const socket = await connectTo(http.port);
  socket.on('error', () => undefined).pause();
  socket.write('GET /v1/large HTTP/1.1\r\nHost: x\r\n\r\n');
  await answered;
  const startedMs = performance.now();
  await http.stop(25_000);
  expect(performance.now() - startedMs).toBeLessThan(5_000);
});

// Its event was counted, and it heard nothing: Node ends a connection of which the client has closed its half.
it('answers a client that has closed its half of the connection', async () => {
  const { promise: entered, resolve: enter } = Promise.withResolvers<ServerResponse>();
  const handler: Handler = (request, response) => void request.resume().on('end', () => enter(response));
  const { port } = await start({}, { handler });
  const socket = await connectTo(port);
  const answer = heard(socket);
  socket.end('POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
  const response = await entered;
  // Long enough for the end of the stream to be read: the event loop has turned since.
  await new Promise((resolve) => setImmediate(resolve));
  sendJson(response, 202, { accepted: 1 });
  expect(await answer).toMatch(/^HTTP\/1\.1 202 .*\r\n[^]*{"accepted":1}$/);
});

it.each([
  ['head', 'POST /v1/events HTTP/1.1\r\nHost:'],
  ['body', 'POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{'],
])('answers 400 to a client that closes its half in the middle of its %s', async (_, sent) => {
  const { port } = await start({}, { handler: (request) => void request.resume() });
  const socket = await connectTo(port);
  const answer = heard(socket);
  socket.end(sent);
  expect(await answer).toMatch(/^HTTP\/1\.1 400 /);
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

// Its rights were what the umask left: an application under another user could not post.
it.each([0o600, 0o660, 0o777])('gives the socket the rights that are asked for: %o', async (socketMode) => {
  const socket = await socketPath();
  await start({ socket, socketMode }, { handler: echo });
  expect((await stat(socket)).mode & 0o777).toBe(socketMode);
  expect((await ask(socket, '/v1/events')).status).toBe(200);
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

// Told with a stack and without a remedy; a file at the path that was no socket was deleted.
it('says which address it cannot listen on, and what to do', async () => {
  const taken = await start({});
  const { host, port } = { host: '127.0.0.1', port: taken.port };
  const inUse = `Port ${port} of ${host} is taken by another process. Stop that one, or set`;
  await expect(start({ host, port })).rejects.toThrow(`${inUse} TALLYMAN_PORT`);
  await expect(start({ admin: { host, port } })).rejects.toThrow(`${inUse} TALLYMAN_ADMIN_PORT`);
  await expect(start({ host: '192.0.2.1' })).rejects.toThrow(
    'This machine has no address 192.0.2.1. Set TALLYMAN_HOST',
  );
  const socket = await socketPath();
  await writeFile(socket, 'precious');
  await expect(start({ socket })).rejects.toThrow(`${socket} is there already, and is no socket.`);
  expect(await readFile(socket, 'utf8')).toBe('precious');
  await expect(start({ socket: join(socket, 'below') })).rejects.toThrow('has no folder to be in');
  await expect(start({ socket: `${socket}${'x'.repeat(200)}` })).rejects.toThrow('shorter');
});
