/** The sidecar as a process, with a spool: the broker is away, frozen, or comes back; the disk is. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Broker, startBroker } from '../../../../shared/testing/broker.ts';
import { type Child, plainEnvironment } from '../../../../shared/testing/child.ts';
import { type Nursery, openNursery } from '../../../../shared/testing/nursery.ts';
import { freePort } from '../../../../shared/testing/ports.ts';
import { until } from '../../../../shared/testing/until.ts';
import { declareQueues, idsOf, type Stored, takeAll } from '../testing.ts';

const main = new URL('../main.ts', import.meta.url).pathname;
const namespace = 'test';
const slow = { deadlineMs: 60_000 };

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

const running: Child[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) await child.kill();
});

interface Sidecar {
  readonly child: Child;
  readonly url: string;
}

let sidecars = 0;
/** `on`: the folder of an earlier one, where its spool is. */
async function startSidecar(env: Record<string, string> = {}, on = `sidecar-${++sidecars}`): Promise<Sidecar> {
  const port = await freePort();
  const child = await nursery.spawn(on, process.execPath, [main], {
    env: {
      ...plainEnvironment(),
      AMQP_URL: broker.url,
      TALLYMAN_NAMESPACE: namespace,
      TALLYMAN_PORT: String(port),
      TALLYMAN_DRAIN_MS: '2000',
      ...env,
    },
  });
  running.push(child);
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await fetch(`${url}/readyz`)).ok, slow);
  return { child, url };
}

async function post(
  { url }: Sidecar,
  ids: readonly string[],
): Promise<{ status: number; code?: string; retryAfter: string | null }> {
  const events = ids.map((id, index) => ({ id, customer: `cus_${index % 20}`, meter: 'tokens', value: index }));
  const response = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  const body = (await response.json()) as { error?: { code: string } };
  const retryAfter = response.headers.get('retry-after');
  const { status } = response;
  return body.error === undefined ? { status, retryAfter } : { status, retryAfter, code: body.error.code };
}

const names = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}.${index}`);

async function metric({ url }: Sidecar, name: string, label = ''): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name}{`) && each.includes(label));
  return Number(line?.split(' ').at(-1) ?? Number.NaN);
}

async function readUntil(ids: readonly string[]): Promise<readonly Stored[]> {
  const stored: Stored[] = [];
  await until(async () => {
    stored.push(...(await takeAll(broker.url, namespace)));
    const there = idsOf(stored);
    expect(ids.filter((id) => !there.has(id))).toEqual([]);
  }, slow);
  return stored;
}

/** One producer, slot and sequence has one content, however often it is on the queues. */
function expectOneContentEach(stored: readonly Stored[]): void {
  const bodies = new Map<string, string>();
  for (const { origin, body } of stored) {
    const key = `${origin.producer}/${origin.slot}/${origin.sequence}`;
    expect(bodies.get(key) ?? body.toString()).toBe(body.toString());
    bodies.set(key, body.toString());
  }
}

const nowhere = async (): Promise<string> => `amqp://127.0.0.1:${await freePort()}`;

it('answers 202 without a broker, keeps that through SIGKILL and SIGTERM, says what is left, and publishes it in the end', async () => {
  const AMQP_URL = await nowhere();
  const first = await startSidecar({ AMQP_URL });
  expect(await post(first, names('first', 200))).toMatchObject({ status: 202 });
  expect(await metric(first, 'tallyman_publisher_spool_records')).toBeGreaterThan(0);
  await first.child.kill('SIGKILL');

  const second = await startSidecar({ AMQP_URL }, first.child.name);
  expect(await post(second, names('second', 100))).toMatchObject({ status: 202 });
  second.child.signal('SIGTERM');
  expect(await second.child.exited).toEqual({ code: 75, signal: null });
  const said = (await second.child.lastLines(40))
    .split('\n')
    .find((line) => line.includes('Messages are left in the spool'));
  expect(JSON.parse(said ?? '{}')).toMatchObject({ level: 'error', folder: join(second.child.folder, 'spool') });

  const third = await startSidecar({}, first.child.name);
  const stored = await readUntil([...names('first', 200), ...names('second', 100)]);
  expectOneContentEach(stored);
  expect(new Set(stored.map(({ origin }) => origin.producer)).size).toBe(2);
  await until(async () => expect(await metric(third, 'tallyman_publisher_spool_bytes')).toBe(0), slow);
  third.child.signal('SIGTERM');
  expect(await third.child.exited).toEqual({ code: 0, signal: null });
});

it('answers 202 within seconds while the broker is frozen, and what is then on the queues twice is the same', async () => {
  const sidecar = await startSidecar();
  await until(async () => expect(await metric(sidecar, 'tallyman_publisher_broker_connected')).toBe(1), slow);
  await broker.freeze();
  try {
    const startedMs = performance.now();
    expect(await post(sidecar, names('frozen', 100))).toMatchObject({ status: 202 });
    expect(performance.now() - startedMs).toBeGreaterThan(1_500);
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    expect(await post(sidecar, names('meanwhile', 100))).toMatchObject({ status: 202 });
  } finally {
    await broker.thaw();
  }
  expectOneContentEach(await readUntil([...names('frozen', 100), ...names('meanwhile', 100)]));
  await until(async () => expect(await metric(sidecar, 'tallyman_publisher_spool_records')).toBe(0), slow);
});

it('answers 503 with its reason when neither the broker nor the disk takes messages, and 202 when the disk does again', async () => {
  const sidecar = await startSidecar({ AMQP_URL: await nowhere() });
  const folder = join(sidecar.child.folder, 'spool');
  await rm(folder, { recursive: true });
  await writeFile(folder, 'in its place');
  const pending = post(sidecar, ['waits']);
  await until(async () => expect((await fetch(`${sidecar.url}/readyz`)).status).toBe(503), slow);
  expect(await post(sidecar, ['refused'])).toEqual({ status: 503, code: 'spool_unavailable', retryAfter: '2' });
  await rm(folder);
  await until(async () => expect((await fetch(`${sidecar.url}/readyz`)).status).toBe(200), slow);
  expect(await pending).toMatchObject({ status: 202 });
  expect(await post(sidecar, ['taken'])).toMatchObject({ status: 202 });
});

it('answers 503 when the spool is full, and drops nothing that it answered 202', async () => {
  const sidecar = await startSidecar({ AMQP_URL: await nowhere(), TALLYMAN_SPOOL_BYTES: String(1024 * 1024) });
  const kept: string[] = [];
  for (let turn = 0; ; turn++) {
    const ids = names(`full.${turn}.${'x'.repeat(60)}`, 200);
    const { status, code, retryAfter } = await post(sidecar, ids);
    if (status === 503) {
      expect([code, retryAfter]).toEqual(['spool_full', '5']);
      break;
    }
    kept.push(...ids);
  }
  expect(kept.length).toBeGreaterThan(1_000);
  await sidecar.child.kill('SIGKILL');
  await startSidecar({}, sidecar.child.name);
  await readUntil(kept);
});

it('waits for a spool that another sidecar has, and publishes meanwhile', async () => {
  const TALLYMAN_SPOOL_DIR = join(nursery.folder, 'shared-spool');
  await mkdir(TALLYMAN_SPOOL_DIR);
  await startSidecar({ TALLYMAN_SPOOL_DIR });
  const second = await startSidecar({ TALLYMAN_SPOOL_DIR });
  expect(await metric(second, 'tallyman_publisher_spool_state', 'state="locked"')).toBe(1);
  expect(await post(second, ['second'])).toMatchObject({ status: 202 });
  await readUntil(['second']);
});
