import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../testing/until.ts';
import { createClientOn } from './client.ts';
import { usageMiddleware } from './express.ts';
import { usageHook } from './fastify.ts';
import type { RequestCounts } from './request-usage.ts';
import type { Usage } from './usage.ts';

/** A client that never answers until the test says: no answer of the application may wait for it. */
function heldClient() {
  const recorded: Usage[] = [];
  const opened = Promise.withResolvers<void>();
  return {
    recorded,
    open: () => opened.resolve(),
    async record(usage: Usage) {
      recorded.push(usage);
      await opened.promise;
      if (usage.customer === 'cus_full') throw new Error('buffer_full');
      return { id: 'id' };
    },
  };
}

interface Application {
  readonly url: string;
  readonly counts: () => RequestCounts;
}

type Kind = 'express' | 'fastify';
type Held = ReturnType<typeof heldClient>;

/** Answers `/items/:name` with the name; `/slow` never ends; `value` fails for `/items/odd`. */
async function serve(kind: Kind, client: Held, onDropped: (error: Error) => void): Promise<Application> {
  const shared = {
    client,
    customer: (key: string) => (key === 'nobody' ? undefined : Promise.resolve(`cus_${key}`)),
    meter: 'requests',
    onDropped,
  };
  const valueOf = (name: string | undefined): number => {
    if (name === 'odd') throw new Error('odd');
    return name?.length ?? 0;
  };
  if (kind === 'express') {
    const app = express();
    const usage = usageMiddleware<express.Request, express.Response>({
      ...shared,
      key: (request) => request.get('x-api-key'),
      // Where no route matched, Express has no params.
      value: (request) => valueOf(/^\/items\/(\w+)$/.exec(request.path)?.[1]),
      dimensions: (_, response) => ({ status: String(response.statusCode) }),
    });
    app.use(usage);
    app.get('/items/:name', (request, response) => void response.send(request.params.name));
    app.get('/slow', (_, response) => void response.write('…'));
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, counts: usage.counts };
  }
  const app = fastify({ forceCloseConnections: true });
  const usage = usageHook<FastifyRequest, FastifyReply>({
    ...shared,
    key: (request) => request.headers['x-api-key'] as string | undefined,
    value: (request) => valueOf((request.params as { readonly name?: string }).name),
    dimensions: (_, reply) => ({ status: String(reply.statusCode) }),
  });
  app.addHook('onResponse', usage);
  app.get('/items/:name', (request) => (request.params as { readonly name: string }).name);
  app.get('/slow', (_, reply) => {
    reply.hijack();
    reply.raw.write('…');
  });
  onTestFinished(() => app.close());
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }), counts: usage.counts };
}

const get = (url: string, key?: string) => fetch(url, key === undefined ? {} : { headers: { 'x-api-key': key } });

const kinds: readonly Kind[] = ['express', 'fastify'];

it.each(kinds)('%s: counts answered requests per API key, and none of them waits for it', async (kind) => {
  const client = heldClient();
  const dropped: string[] = [];
  const { url, counts } = await serve(kind, client, ({ message }) => dropped.push(message));

  expect(await (await get(`${url}/items/apple`, 'a')).text()).toBe('apple');
  expect((await get(`${url}/nothing`, 'b')).status).toBe(404);
  for (const key of [undefined, 'nobody']) expect((await get(`${url}/items/pear`, key)).status).toBe(200);
  await until(() => expect([dropped, counts().uncounted, client.recorded.length]).toEqual([[], 2, 2]));
  expect(counts()).toEqual({ pending: 2, counted: 0, uncounted: 2, dropped: 0 });
  const usage = { meter: 'requests', timestamp: expect.any(Number) };
  expect(client.recorded).toEqual([
    expect.objectContaining({ ...usage, customer: 'cus_a', value: 5, dimensions: { status: '200' } }),
    expect.objectContaining({ ...usage, customer: 'cus_b', value: 0, dimensions: { status: '404' } }),
  ]);

  // What cannot be counted is answered all the same, and is told of.
  expect((await get(`${url}/items/odd`, 'a')).status).toBe(200);
  expect((await get(`${url}/items/pear`, 'full')).status).toBe(200);
  client.open();
  await until(() => counts().pending === 0);
  expect(counts()).toEqual({ pending: 0, counted: 2, uncounted: 2, dropped: 2 });
  expect(dropped.toSorted()).toEqual(['buffer_full', 'odd']);
});

it.each(kinds)('%s: does not count an answer that the client did not wait for', async (kind) => {
  const client = heldClient();
  const { url, counts } = await serve(kind, client, () => undefined);
  const leaving = httpRequest(`${url}/slow`, { headers: { 'x-api-key': 'a' } }).end();
  const [response] = (await once(leaving, 'response')) as [NodeJS.ReadableStream];
  await once(response, 'data');
  leaving.on('error', () => undefined);
  response.on('error', () => undefined);
  leaving.destroy();
  await get(`${url}/items/pear`, 'a');
  await until(() => client.recorded.length === 1);
  expect(counts()).toMatchObject({ pending: 1, uncounted: 0, dropped: 0 });
});

// A test, or a function of a cloud, injects a request and closes at once: its usage was dropped as "closed", since the lookup of
// its customer was not over, or its answer not counted yet.
it('counts a request that was injected just before the application was closed', async () => {
  const sent: string[] = [];
  const transport = {
    post: (body: string) => {
      const events = JSON.parse(body) as { customer: string }[];
      sent.push(...events.map(({ customer }) => customer));
      const answer = JSON.stringify({ accepted: events.length, duplicates: 0, rejected: [] });
      return Promise.resolve({ kind: 'answer' as const, status: 202, retryAfterMs: 0, body: answer });
    },
    probe: () => Promise.reject(new Error('Nobody asks.')),
    close: () => undefined,
  };
  const client = createClientOn(transport);
  const dropped: string[] = [];
  const app = fastify();
  const usage = usageHook<FastifyRequest, FastifyReply>({
    client,
    key: () => 'key',
    customer: () => new Promise((resolve) => setTimeout(() => resolve('cus_slow'), 20)),
    meter: 'requests',
    onDropped: ({ message }) => dropped.push(message),
  });
  app.addHook('onResponse', usage);
  app.addHook('onClose', () => client.close());
  app.get('/hello', () => 'hello');
  expect((await app.inject('/hello')).statusCode).toBe(200);
  await app.close();
  expect([sent, dropped, usage.counts()]).toEqual([
    ['cus_slow'],
    [],
    { pending: 0, counted: 1, uncounted: 0, dropped: 0 },
  ]);
});
