/** The sidecar as a process, against a broker that is killed. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Broker, startBroker } from '../../../shared/testing/broker.ts';
import { type Child, plainEnvironment } from '../../../shared/testing/child.ts';
import { type Nursery, openNursery } from '../../../shared/testing/nursery.ts';
import { freePort } from '../../../shared/testing/ports.ts';
import { until } from '../../../shared/testing/until.ts';
import { declareQueues, type Gate, idsOf, openGate, type Stored, takeAll } from './testing.ts';

const main = new URL('./main.ts', import.meta.url).pathname;
const namespace = 'test';

let nursery: Nursery;
let broker: Broker;
beforeAll(async () => {
  nursery = await openNursery();
  broker = await startBroker({ nursery });
  await declareQueues(broker.url, namespace);
});
afterAll(async () => {
  await broker.stop();
  await nursery.close();
});

let sidecars = 0;
const running: Child[] = [];
const gates: Gate[] = [];
afterEach(async () => {
  for (const gate of gates.splice(0)) gate.close();
  for (const child of running.splice(0)) await child.kill();
});

interface Sidecar {
  readonly child: Child;
  readonly url: string;
}

async function startSidecar(env: Record<string, string> = {}): Promise<Sidecar> {
  const port = await freePort();
  const child = await nursery.spawn(`publisher-${++sidecars}`, process.execPath, [main], {
    env: {
      ...plainEnvironment(),
      AMQP_URL: broker.url,
      TALLYMAN_NAMESPACE: namespace,
      TALLYMAN_PORT: String(port),
      // What the sidecar does with a spool is told by spool/sidecar.integration.test.ts.
      TALLYMAN_SPOOL_BYTES: '0',
      ...env,
    },
  });
  running.push(child);
  const sidecar = { child, url: `http://127.0.0.1:${port}` };
  await until(async () => (await fetch(`${sidecar.url}/healthz`)).ok);
  return sidecar;
}

async function ready(sidecar: Sidecar): Promise<void> {
  await until(async () => (await fetch(`${sidecar.url}/readyz`)).ok, { deadlineMs: 30_000 });
}

interface Reply {
  readonly status: number;
  readonly body: { readonly accepted?: number; readonly error?: { readonly code: string } };
  readonly retryAfter: string | null;
  readonly tookMs: number;
}

async function post(sidecar: Sidecar, ids: readonly string[]): Promise<Reply> {
  const startedMs = performance.now();
  const events = ids.map((id, index) => ({ id, customer: `cus_${index % 20}`, meter: 'tokens', value: index }));
  const response = await fetch(`${sidecar.url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  const body = (await response.json()) as Reply['body'];
  return {
    status: response.status,
    body,
    retryAfter: response.headers.get('retry-after'),
    tookMs: performance.now() - startedMs,
  };
}

async function metric(sidecar: Sidecar, name: string): Promise<number> {
  const page = await (await fetch(`${sidecar.url}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{[^}]*\\} (\\d+)$`, 'm').exec(page)?.[1]);
}

/** The same (producer, slot, sequence) always carries the same bytes. How many messages came more than once. */
function repetitions(stored: readonly Stored[]): number {
  const bodies = new Map<string, Buffer>();
  let repeated = 0;
  for (const { origin, body } of stored) {
    const key = `${origin.producer}/${origin.slot}/${origin.sequence}`;
    const known = bodies.get(key);
    if (known !== undefined) {
      repeated++;
      expect(body.equals(known), key).toBe(true);
    }
    bodies.set(key, body);
  }
  return repeated;
}

/** Several clients that post one request after the other until they are told to stop. */
function load(sidecar: Sidecar, clients: number, eventsPerRequest: number) {
  const accepted = new Set<string>();
  const replies: Reply[] = [];
  const stopping = new AbortController();
  const done = Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let turn = 0; !stopping.signal.aborted; turn++) {
        const ids = Array.from({ length: eventsPerRequest }, (__, index) => `${client}.${turn}.${index}`);
        const reply = await post(sidecar, ids);
        replies.push(reply);
        if (reply.status === 202) for (const id of ids) accepted.add(id);
      }
    }),
  );
  // A client that fails is told by stop(), and not as an unhandled rejection of a test that failed before.
  done.catch(() => undefined);
  const stop = async () => {
    stopping.abort();
    await done;
  };
  return { accepted, replies, stop };
}

it('has on the queue what it answered with 202, also after the broker was killed at that very moment', async () => {
  const sidecar = await startSidecar();
  await ready(sidecar);
  const ids = Array.from({ length: 300 }, (_, index) => `killed.${index}`);
  const { status, body } = await post(sidecar, ids);
  await broker.kill('SIGKILL');
  expect([status, body]).toMatchObject([202, { accepted: 300 }]);
  await broker.start();
  expect(idsOf(await takeAll(broker.url, namespace))).toEqual(new Set(ids));
});

it('answers 503 at once while the broker is away, comes back by itself, and has lost nothing that it accepted', async () => {
  const sidecar = await startSidecar();
  await ready(sidecar);
  const { accepted, replies, stop } = load(sidecar, 16, 50);
  await until(() => replies.length > 300);
  // Frozen first, so that something certainly is under way when it dies.
  await broker.freeze();
  await until(async () => (await metric(sidecar, 'tallyman_publisher_unconfirmed_messages')) > 0);
  await broker.kill('SIGKILL');
  await until(async () => (await fetch(`${sidecar.url}/readyz`)).status === 503);
  const refused = await post(sidecar, ['refused']);
  expect([refused.status, refused.body.error?.code, refused.retryAfter]).toEqual([503, 'broker_unavailable', '2']);
  // At once, compared with the 30 s that a request may wait for its confirm.
  expect(refused.tookMs).toBeLessThan(5_000);

  await broker.start();
  const before = accepted.size;
  await until(() => accepted.size > before + 1_000, { deadlineMs: 60_000 });
  await stop();

  const stored = await takeAll(broker.url, namespace);
  const ids = idsOf(stored);
  expect([...accepted].filter((id) => !ids.has(id))).toEqual([]);
  repetitions(stored);
  expect(await metric(sidecar, 'tallyman_publisher_messages_republished_total')).toBeGreaterThan(0);
  expect(new Set(stored.map(({ origin }) => origin.producer)).size).toBe(1);
});

it('publishes again with the same sequence and bytes when the confirm was lost', async () => {
  const gate = await openGate(Number(new URL(broker.url).port));
  gates.push(gate);
  const sidecar = await startSidecar({ AMQP_URL: gate.url });
  await ready(sidecar);
  gate.muffle();
  const ids = Array.from({ length: 200 }, (_, index) => `muffled.${index}`);
  const reply = post(sidecar, ids);
  await until(async () => idsOf(await takeAll(broker.url, namespace, 'keep')).size === ids.length);
  gate.cut();
  expect((await reply).status).toBe(202);
  const stored = await takeAll(broker.url, namespace);
  expect(idsOf(stored)).toEqual(new Set(ids));
  expect(repetitions(stored)).toBe(stored.length / 2);
});

it('answers what it accepted before it ends, and ends with 0', async () => {
  const sidecar = await startSidecar();
  await ready(sidecar);
  const { accepted, replies, stop } = load(sidecar, 8, 20);
  await until(() => replies.length > 50);
  sidecar.child.signal('SIGTERM');
  // Requests that the ended listener does not take any more fail at the client, and are the client's to repeat.
  await stop().catch(() => undefined);
  expect(await sidecar.child.exited).toEqual({ code: 0, signal: null });
  expect(replies.filter(({ status }) => status !== 202)).toEqual([]);
  const ids = idsOf(await takeAll(broker.url, namespace));
  expect([...accepted].filter((id) => !ids.has(id))).toEqual([]);
});

it('goes on when a client does not wait for its answer', async () => {
  const sidecar = await startSidecar();
  await ready(sidecar);
  const leaving = Array.from({ length: 50 }, (_, index) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), index / 10);
    const body = JSON.stringify({ id: `left.${index}`, customer: 'cus_a', meter: 'tokens' });
    const headers = { 'content-type': 'application/json' };
    return fetch(`${sidecar.url}/v1/events`, { method: 'POST', headers, body, signal: controller.signal }).catch(
      () => undefined,
    );
  });
  await Promise.all(leaving);
  expect((await post(sidecar, ['stayed'])).status).toBe(202);
  expect(idsOf(await takeAll(broker.url, namespace))).toContain('stayed');
});

it('starts without a broker, and ends with 78 on a configuration that cannot be used', async () => {
  const sidecar = await startSidecar({ AMQP_URL: `amqp://127.0.0.1:${await freePort()}` });
  expect((await fetch(`${sidecar.url}/readyz`)).status).toBe(503);
  expect((await post(sidecar, ['1'])).body.error?.code).toBe('broker_unavailable');
  const misled = await nursery.spawn('misled', process.execPath, [main], {
    env: { ...plainEnvironment(), TALLYMAN_PORT: 'high' },
  });
  expect(await misled.exited).toEqual({ code: 78, signal: null });
  const words = await misled.lastLines(10);
  expect(words).toContain('AMQP_URL');
  expect(words).toContain('TALLYMAN_PORT');
});
