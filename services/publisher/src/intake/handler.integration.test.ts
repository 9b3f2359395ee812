import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../metrics.ts';
import type { Outcome } from '../outbox/outbox.ts';
import type { PackedEvent } from '../outbox/packing.ts';
import { createIntake, type IntakeOptions } from './handler.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Intake {
  readonly url: string;
  readonly port: number;
  readonly registry: Registry;
  /** Every request's events, in turn. */
  readonly submitted: (readonly PackedEvent[])[];
  turnsAway: IntakeOptions['outbox']['turnsAway'];
}

/** The handler on a server of its own, with an outbox that answers at once. */
async function start(options: Partial<IntakeOptions> = {}, outcome: Outcome = 'durable'): Promise<Intake> {
  const registry = new Registry();
  const metrics = createMetrics(registry, () => ({ unconfirmedMessages: 0, heldBytes: 0, connected: true }));
  const submitted: (readonly PackedEvent[])[] = [];
  const outbox: IntakeOptions['outbox'] = {
    get turnsAway() {
      return intake.turnsAway;
    },
    submit(events, _receivedAtMs, answer) {
      submitted.push(events);
      answer(outcome);
    },
  };
  const limits = { bodyBytesMax: 10_000, readingBytesMax: 200_000, requestEventsMax: 20, meters: undefined };
  const payloadKeys = { customer: 'stripe_customer_id', value: 'value' };
  const { handler: handle } = createIntake({ ...limits, outbox, metrics, payloadKeys, ...options });
  const server = createServer((request, response) => {
    void Promise.resolve(handle(request, response)).catch((error: unknown) => response.destroy(error as Error));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const intake: Intake = { url: `http://127.0.0.1:${port}/v1/events`, port, registry, submitted, turnsAway: undefined };
  return intake;
}

interface Reply {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: unknown;
}

async function post(
  { url }: Intake,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.json() };
}

const event = { id: 'e1', customer: 'cus_a', meter: 'tokens' };
const fault = (code: string) => ({ error: { code, message: expect.any(String) as string } });

describe('a request', () => {
  it('is answered with 202 and what became of each of its events', async () => {
    const intake = await start();
    const { status, body } = await post(
      intake,
      JSON.stringify([event, event, { ...event, value: 'much' }, { ...event, id: 'e2' }]),
    );
    expect(status).toBe(202);
    expect(body).toEqual({
      accepted: 2,
      duplicates: 1,
      rejected: [
        { index: 2, id: 'e1', code: 'value_invalid', message: expect.stringMatching(/^value: got "much"/) as string },
      ],
    });
    expect(intake.submitted.map((events) => events.length)).toEqual([2]);
  });

  // Its headers were not looked at: a redelivery was an event without an id, and was billed twice.
  it('may be a CloudEvent in binary mode, which is the same one however often and however it is sent', async () => {
    const intake = await start();
    const headers = { 'ce-specversion': '1.0', 'ce-id': 'c1', 'ce-source': '/gateway', 'ce-type': 'tokens' };
    const sent = { ...headers, 'ce-subject': 'cus%20%E2%82%AC' };
    expect(await post(intake, '{"value":7}', sent)).toMatchObject({ status: 202, body: { accepted: 1 } });
    expect(await post(intake, '{"value":7}', sent)).toMatchObject({ status: 202, body: { duplicates: 1 } });
    const structured = { specversion: '1.0', id: 'c1', source: '/gateway', type: 'tokens', subject: 'cus €' };
    const type = { 'content-type': 'application/cloudevents+json' };
    expect(await post(intake, JSON.stringify(structured), type)).toMatchObject({
      status: 202,
      body: { duplicates: 1 },
    });
    expect(intake.submitted.flat().map(({ text }) => JSON.parse(text) as unknown)).toMatchObject([
      { customer: 'cus €', meter: 'tokens', value: '7' },
    ]);
    const { 'ce-id': _, ...anonymous } = sent;
    expect(await post(intake, '{"value":7}', anonymous)).toMatchObject({
      status: 400,
      body: { rejected: [{ code: 'id_invalid', message: expect.stringContaining('ce-id: got nothing') as string }] },
    });
  });

  it('may begin with a byte order mark', async () => {
    const intake = await start();
    const mark = '\ufeff';
    const lines = `${mark}${JSON.stringify({ ...event, id: 'e2' })}\n`;
    expect(await post(intake, `${mark}${JSON.stringify(event)}`)).toMatchObject({ status: 202, body: { accepted: 1 } });
    const type = { 'content-type': 'application/ndjson' };
    expect(await post(intake, lines, type)).toMatchObject({ status: 202, body: { accepted: 1 } });
    expect(await post(intake, `${mark}${mark}${JSON.stringify(event)}`)).toMatchObject({ status: 400 });
    expect(await post(intake, mark)).toMatchObject({ status: 400, body: fault('no_events') });
  });

  it.each([
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['gzip', (text: string) => Buffer.concat([gzipSync(text.slice(0, 9)), gzipSync(text.slice(9))])],
  ])('may be compressed by %s', async (encoding, compress) => {
    const intake = await start();
    const sent = new Uint8Array(compress(JSON.stringify(event)));
    const headers = { 'content-encoding': encoding };
    expect(await post(intake, sent, headers)).toMatchObject({ status: 202, body: { accepted: 1 } });
    const more = new Uint8Array([...sent, 0, ...sent]);
    expect(await post(intake, more, headers)).toMatchObject({ status: 400, body: fault(`malformed_${encoding}`) });
    const bomb = new Uint8Array(compress(' '.repeat(2_000_000)));
    expect(await post(intake, bomb, headers)).toMatchObject({ status: 413, body: fault('body_too_large') });
    const small = await start({ readingBytesMax: 50_000, bodyBytesMax: 50_000 });
    expect(await post(small, sent, headers)).toMatchObject({ status: 503, body: fault('overloaded') });
  });

  it('may be NDJSON', async () => {
    const intake = await start();
    const lines = `${JSON.stringify(event)}\n\n{"id":\n${JSON.stringify({ ...event, id: 'e2' })}\n`;
    const { status, body } = await post(intake, lines, { 'content-type': 'application/x-ndjson' });
    expect([status, body]).toMatchObject([
      202,
      { accepted: 2, duplicates: 0, rejected: [{ index: 1, id: null, code: 'not_json' }] },
    ]);
  });

  it('may be compressed, and may hold CloudEvents', async () => {
    const intake = await start();
    const cloud = { specversion: '1.0', id: 'c1', source: '/gateway', type: 'tokens', subject: 'cus_a' };
    const packed = (text: string) => new Uint8Array(gzipSync(text));
    const one = { 'content-type': 'application/cloudevents+json', 'content-encoding': 'gzip' };
    expect(await post(intake, packed(JSON.stringify(cloud)), one)).toMatchObject({
      status: 202,
      body: { accepted: 1 },
    });
    const batch = { 'content-type': 'application/cloudevents-batch+json' };
    const both = JSON.stringify([cloud, { ...cloud, id: 'c2', data: { value: 'x' } }]);
    expect(await post(intake, both, batch)).toMatchObject({
      status: 202,
      body: { accepted: 0, duplicates: 1, rejected: [{ index: 1, id: 'c2', code: 'value_invalid' }] },
    });
    expect((await post(intake, packed(JSON.stringify([event])), { 'content-encoding': 'gzip' })).status).toBe(202);
  });

  it('of events that are durable already is answered with 202 and submits nothing', async () => {
    const intake = await start();
    await post(intake, JSON.stringify(event));
    const { status, body } = await post(intake, JSON.stringify([event, event]));
    expect([status, body]).toEqual([202, { accepted: 0, duplicates: 2, rejected: [] }]);
    expect(intake.submitted).toHaveLength(1);
  });

  it('is taken again after a 503, as new', async () => {
    const intake = await start({}, 'expired');
    for (const round of [1, 2]) {
      expect((await post(intake, JSON.stringify(event))).status).toBe(503);
      expect(intake.submitted).toHaveLength(round);
    }
  });

  it('of nothing valid is answered with 400 and the same body, and nothing is submitted', async () => {
    const intake = await start();
    const { status, body } = await post(intake, '[{}, 7]');
    expect([status, body]).toMatchObject([400, { accepted: 0, duplicates: 0, rejected: [{ index: 0 }, { index: 1 }] }]);
    expect(intake.submitted).toEqual([]);
  });

  it('may be to a path with a query', async () => {
    const intake = await start();
    expect(
      (
        await fetch(`${intake.url}?source=test`, {
          method: 'POST',
          body: JSON.stringify(event),
          headers: { 'content-type': 'application/json' },
        })
      ).status,
    ).toBe(202);
  });

  it('is taken only with a meter of the list, if there is one', async () => {
    const intake = await start({ meters: new Set(['storage']) });
    expect((await post(intake, JSON.stringify(event))).body).toMatchObject({
      rejected: [{ code: 'meter_not_allowed' }],
    });
  });

  it.each([
    [400, 'malformed_json', '{'],
    [400, 'no_events', '[]'],
    [400, 'no_events', ''],
    [400, 'not_utf8', Buffer.from('{"customer":"Zo\xeb"}', 'latin1')],
    [413, 'too_many_events', JSON.stringify(Array.from({ length: 21 }, () => event))],
    [413, 'body_too_large', JSON.stringify([{ ...event, dimensions: { padding: 'x'.repeat(10_000) } }])],
  ])('is answered with %d and %s: %.40s', async (status, code, body) => {
    const intake = await start();
    expect(await post(intake, body)).toEqual({ status, retryAfter: null, body: fault(code) });
    expect(intake.submitted).toEqual([]);
  });

  it.each([
    [415, 'unsupported_media_type', { 'content-type': 'text/plain' }],
    [415, 'unsupported_encoding', { 'content-encoding': 'zstd' }],
  ])('is answered with %d and %s for the headers %j', async (status, code, headers) => {
    expect(await post(await start(), JSON.stringify(event), headers)).toEqual({
      status,
      retryAfter: null,
      body: fault(code),
    });
  });

  it.each([
    ['broker_unavailable', 'broker_unavailable', '2'],
    ['overloaded', 'overloaded', '1'],
    ['expired', 'unconfirmed', '2'],
  ] as const)('whose end is %s is answered with 503 and %s', async (outcome, code, retryAfter) => {
    const intake = await start({}, outcome);
    expect(await post(intake, JSON.stringify(event))).toEqual({ status: 503, retryAfter, body: fault(code) });
  });

  it.each([
    ['GET', '/v1/events', 405],
    ['POST', '/v1/event', 404],
    ['POST', '/v1/events/', 404],
  ])('%s %s is answered with %d', async (method, path, status) => {
    const { url } = await start();
    expect((await fetch(new URL(path, url), { method })).status).toBe(status);
  });

  // "Unrecognized request URL", and nothing of the address that was meant.
  it.each(['/v1/event', '/v1/events/', '/v1/Events', '/events', '/v2/events', '/'])(
    'to %s is told where usage goes',
    async (path) => {
      const { url } = await start();
      const { error } = (await (await fetch(new URL(path, url), { method: 'POST' })).json()) as {
        error: { message: string };
      };
      expect(error.message).toContain(path === '/' ? 'POST /v1/events,' : 'Did you mean POST /v1/events?');
    },
  );
});

describe('a body', () => {
  it('is not waited for while the broker is away', async () => {
    const intake = await start();
    intake.turnsAway = 'broker_unavailable';
    const socket = connect(intake.port, '127.0.0.1');
    cleanups.push(() => socket.destroy());
    socket.write(
      'POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n',
    );
    const [answer] = (await once(socket.setEncoding('utf8'), 'data')) as [string];
    expect(answer).toMatch(/^HTTP\/1.1 503 [^]*"broker_unavailable"/);
  });

  it('that grows too large without having said so is answered with 413, and the connection goes on', async () => {
    const intake = await start();
    const socket = connect(intake.port, '127.0.0.1').setEncoding('utf8');
    cleanups.push(() => socket.destroy());
    const head = 'POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
    const chunk = `2000\r\n${'x'.repeat(0x2000)}\r\n`;
    socket.write(`${head}transfer-encoding: chunked\r\n\r\n${chunk}${chunk}`);
    const [tooLarge] = (await once(socket, 'data')) as [string];
    expect(tooLarge).toMatch(/^HTTP\/1.1 413 [^]*"body_too_large"/);
    const body = JSON.stringify(event);
    socket.write(`${chunk}0\r\n\r\n${head}connection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    expect(await text(socket)).toMatch(/^HTTP\/1.1 202 [^]*"accepted":1/);
  });

  it('finds no room when too many are being read, and finds it when they are gone', async () => {
    const intake = await start({ readingBytesMax: 1_000 });
    const slow = connect(intake.port, '127.0.0.1');
    slow.write('POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1001\r\n\r\n');
    slow.write('x'.repeat(990));
    const padded = JSON.stringify({ ...event, dimensions: { padding: 'x'.repeat(400) } });
    const statuses: number[] = [];
    while (statuses.at(-1) !== 503) statuses.push((await post(intake, padded)).status);
    slow.destroy();
    while (statuses.at(-1) !== 202) statuses.push((await post(intake, padded)).status);
    expect(intake.submitted.length).toBeGreaterThan(0);
  });
});

it('counts events and requests', async () => {
  const intake = await start();
  await post(intake, JSON.stringify([event, event, {}]));
  await post(intake, '{');
  const metrics = await intake.registry.getMetricsAsJSON();
  const value = (name: string, labels = {}) =>
    metrics
      .find((metric) => metric.name === name)
      ?.values.find((entry) => Object.entries(labels).every(([key, wanted]) => String(entry.labels[key]) === wanted))
      ?.value;
  expect(value('tallyman_publisher_events_accepted_total')).toBe(1);
  expect(value('tallyman_publisher_events_duplicate_total')).toBe(1);
  expect(value('tallyman_publisher_events_rejected_total', { code: 'customer_missing' })).toBe(1);
  expect(value('tallyman_publisher_requests_total', { status: '202' })).toBe(1);
  expect(value('tallyman_publisher_requests_total', { status: '400' })).toBe(1);
});
