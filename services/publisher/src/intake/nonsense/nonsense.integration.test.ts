/**
 * The sidecar as a process, on a real broker, and everything that it must refuse: after each it answers as before, and its memory
 * does not grow beyond a bound.
 */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { createGzip } from 'node:zlib';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Child, plainEnvironment } from '../../../../../shared/testing/child.ts';
import { type Nursery, openNursery } from '../../../../../shared/testing/nursery.ts';
import { freePort } from '../../../../../shared/testing/ports.ts';
import { sharedServices } from '../../../../../shared/testing/shared-services.ts';
import { until } from '../../../../../shared/testing/until.ts';
import { declareQueues, idsOf, takeAll } from '../../testing.ts';
import { bodies, type Nonsense } from './bodies.ts';
import { heads, smuggling } from './heads.ts';
import { connectTo, hear, requestOf, talk } from './raw-http.ts';

const main = new URL('../../main.ts', import.meta.url).pathname;
const mebibyte = 1024 ** 2;

let nursery: Nursery;
let sidecar: Child;
let port: number;
let broker: { readonly amqpUrl: string; readonly namespace: string };

beforeAll(async () => {
  nursery = await openNursery();
  broker = sharedServices();
  await declareQueues(broker.amqpUrl, broker.namespace);
  port = await freePort();
  sidecar = await nursery.spawn('nonsense', process.execPath, [main], {
    env: {
      ...plainEnvironment(),
      AMQP_URL: broker.amqpUrl,
      TALLYMAN_NAMESPACE: broker.namespace,
      TALLYMAN_PORT: String(port),
      TALLYMAN_SPOOL_BYTES: '0',
    },
  });
  await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, { deadlineMs: 30_000 });
});
afterAll(async () => {
  await sidecar.kill('SIGTERM');
  await nursery.close();
});
afterEach(async () => {
  const { ok } = await fetch(`http://127.0.0.1:${port}/healthz`);
  if (!ok || sidecar.exit !== undefined) throw new Error('After this the sidecar did not answer any more.');
});

async function residentBytes(): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^process_resident_memory_bytes\S* (\S+)$/m.exec(page)?.[1]);
}

/** The most memory that the process ever had. */
async function peakBytes(): Promise<number> {
  const status = await readFile(`/proc/${sidecar.pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

function check(nonsense: Nonsense, status: number | undefined, body: unknown): void {
  expect(status, JSON.stringify(body)).toBe(nonsense.status);
  if (nonsense.error !== undefined) {
    expect(body).toEqual({ error: { code: nonsense.error, message: expect.stringMatching(/\S/) as string } });
    return;
  }
  expect(body).toMatchObject({ accepted: nonsense.accepted ?? 0, duplicates: 0 });
  const { rejected } = body as { readonly rejected: readonly { readonly code: string; readonly message: string }[] };
  expect(rejected.map(({ code }) => code)).toEqual(nonsense.events);
  for (const { message } of rejected) expect(message).toMatch(/^[\x20-\x7e\u00a0-\uffff]+: got .+; it must be .+\.$/);
}

describe('a body of', () => {
  it.each(bodies)('$name is answered with $status', async (nonsense) => {
    const { statuses, body } = await talk(port, [requestOf(nonsense)]);
    expect(statuses).toHaveLength(1);
    check(nonsense, statuses[0], body);
  });
});

describe('a request with', () => {
  it.each(heads)('$name is answered with $status', async ({ raw, status, ends }) => {
    const { statuses } = await talk(port, [raw], ends);
    expect(statuses).toEqual(status === undefined ? [] : [status]);
  });

  it.each(smuggling)('$name never hides another one', async ({ raw, status }) => {
    const { statuses } = await talk(port, [raw]);
    expect(statuses).toEqual([status]);
  });

  it('none of what was smuggled was counted', async () => {
    const ids = idsOf(await takeAll(broker.amqpUrl, broker.namespace));
    expect(ids).not.toContain('smuggled');
    expect(ids).toContain('among');
  });
});

/** Bodies that are made while they are sent, so that this process does not hold them. */
function* repeated(unit: string, bytes: number): Generator<string> {
  const part = unit.repeat(Math.ceil(64_000 / unit.length));
  for (let sent = 0; sent < bytes; sent += part.length) yield part.slice(0, bytes - sent);
}

const gzipOf = (unit: string, bytes: number): Promise<Buffer> =>
  buffer(Readable.from(repeated(unit, bytes), { objectMode: false }).pipe(createGzip({ level: 9 })));

describe('memory stays bounded under', () => {
  const head = (headers: Record<string, string>): string =>
    requestOf({ headers: { 'transfer-encoding': 'chunked', ...headers } })
      .toString()
      .replace('content-length: 0\r\n', '');

  const large: readonly (readonly [
    name: string,
    status: number,
    error: string,
    parts: () => Iterable<string | Buffer> | Promise<Iterable<string | Buffer>>,
  ])[] = [
    [
      '50 MB that were announced',
      413,
      'body_too_large',
      () => [requestOf({ headers: { 'content-length': '50000000' } }), ...repeated('{"a":1},', 50_000_000)],
    ],
    [
      '50 MB in chunks',
      413,
      'body_too_large',
      function* () {
        yield head({});
        for (const part of repeated('{"a":1},', 50_000_000)) yield `${part.length.toString(16)}\r\n${part}\r\n`;
        yield '0\r\n\r\n';
      },
    ],
    [
      'a bomb of 1 GB of zeros',
      413,
      'body_too_large',
      async () => [requestOf({ headers: { 'content-encoding': 'gzip' }, body: await gzipOf('\0', 1_000_000_000) })],
    ],
    [
      'a bomb of 200 MB of events',
      413,
      'body_too_large',
      async () => [
        requestOf({ headers: { 'content-encoding': 'gzip' }, body: await gzipOf('{"customer":"c"}\n', 200_000_000) }),
      ],
    ],
    ['8 MiB of brackets', 413, 'too_complex', () => [requestOf({ body: '['.repeat(8 * mebibyte) })]],
    [
      '8 MiB of brackets that are closed again',
      413,
      'too_complex',
      () => [requestOf({ body: '['.repeat(4 * mebibyte) + ']'.repeat(4 * mebibyte) })],
    ],
    ['8 MiB of nested objects', 413, 'too_complex', () => [requestOf({ body: '{"a":'.repeat(1_398_000) })]],
    ['2,700,000 empty events', 413, 'too_complex', () => [requestOf({ body: `[${'{},'.repeat(2_700_000)}{}]` })]],
    [
      'a million keys',
      413,
      'too_complex',
      () => [
        requestOf({ body: `{${Array.from({ length: 900_000 }, (_, at) => `"${at.toString(36)}":0`).join(',')}}` }),
      ],
    ],
    ['8 MiB of blanks', 400, 'no_events', () => [requestOf({ body: ' '.repeat(8 * mebibyte) })]],
    ['8 MiB in one string', 400, 'malformed_json', () => [requestOf({ body: `"${'x'.repeat(8 * mebibyte - 2)}"` })]],
    ['8 MiB of what is no UTF-8', 400, 'not_utf8', () => [requestOf({ body: Buffer.alloc(8 * mebibyte, 0xff) })]],
  ];

  it.each(large)('%s', async (_, status, error, parts) => {
    const before = await peakBytes();
    const { statuses, body } = await talk(port, await parts());
    expect([statuses, body]).toMatchObject([[status], { error: { code: error } }]);
    expect((await peakBytes()) - before).toBeLessThan(96 * mebibyte);
  });

  it('all of them at once, several times', async () => {
    const bomb = requestOf({ headers: { 'content-encoding': 'gzip' }, body: await gzipOf('\0', 100_000_000) });
    const brackets = requestOf({ body: '['.repeat(2 * mebibyte) });
    const announced = requestOf({ body: Buffer.alloc(10 * mebibyte) });
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, at) => talk(port, [[bomb, brackets, announced][at % 3] ?? bomb])),
      );
      for (const { statuses } of answers) expect([400, 413, 503]).toContain(statuses[0]);
    }
    expect(await residentBytes()).toBeLessThan(320 * mebibyte);
    expect(await peakBytes()).toBeLessThan(320 * mebibyte);
  });
});

describe('a client that', () => {
  it('sends its head byte by byte is hung up on after ten seconds, while others are served', async () => {
    const socket = await connectTo(port);
    const startedMs = performance.now();
    const answer = hear(socket, 40_000);
    socket.write('POST /v1/events HTTP/1.1\r\nHost: sidecar\r\nX-Slow: ');
    const drip = setInterval(() => socket.writable && socket.write('x'), 200);
    try {
      expect((await answer).statuses).toEqual([408]);
    } finally {
      clearInterval(drip);
    }
    expect(performance.now() - startedMs).toBeGreaterThan(9_000);
    expect(performance.now() - startedMs).toBeLessThan(20_000);
  });

  it('says nothing at all is hung up on too', async () => {
    const answer = await hear(await connectTo(port), 40_000);
    expect(answer.statuses).toEqual([408]);
  });

  // It was hung up on, though its event was counted.
  it('ends its half of the connection before its answer is answered, and its event is counted once', async () => {
    const request = requestOf({ body: JSON.stringify({ id: 'half', customer: 'c', meter: 'm' }) });
    expect(await talk(port, [request], true)).toMatchObject({ statuses: [202], body: { accepted: 1 } });
    expect(await talk(port, [request])).toMatchObject({ statuses: [202], body: { accepted: 0, duplicates: 1 } });
  });

  // Every server must take it (RFC 9112, 3.2.2); it was answered with 400.
  it('sends its whole address for a path is answered as for the path', async () => {
    const body = JSON.stringify({ id: 'whole', customer: 'c', meter: 'm' });
    const request = requestOf({ path: 'http://sidecar/v1/events', body });
    expect(await talk(port, [request])).toMatchObject({ statuses: [202], body: { accepted: 1 } });
  });

  it('goes away in the middle of its body leaves nothing behind', async () => {
    const before = await residentBytes();
    const part = requestOf({ headers: { 'content-length': String(mebibyte) }, body: 'x'.repeat(mebibyte / 2) });
    for (let round = 0; round < 10; round++) {
      const sockets = Array.from({ length: 20 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
      await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.write(part, () => resolve()))));
      for (const socket of sockets) socket.resetAndDestroy();
    }
    // Everything that was being read is given back: a full body finds room again.
    await until(async () => {
      const { statuses } = await talk(port, [requestOf({ body: ' '.repeat(8 * mebibyte) })]);
      expect(statuses).toEqual([400]);
    });
    expect((await residentBytes()) - before).toBeLessThan(200 * mebibyte);
  });

  it('asks for many things on one connection gets its answers in turn', async () => {
    const post = (body: string): string => requestOf({ body }).toString().replace('Connection: close\r\n', '');
    const good = JSON.stringify({ customer: 'c', meter: 'm' });
    const last = requestOf({ method: 'GET', path: '/healthz' });
    const { statuses } = await talk(port, [post(good) + post('{') + post(good) + post('[7]'), last]);
    expect(statuses).toEqual([202, 400, 202, 400, 200]);
  });
});

it('is at least sixty kinds of nonsense', () => {
  expect(bodies.length + heads.length + smuggling.length).toBeGreaterThan(60);
});
