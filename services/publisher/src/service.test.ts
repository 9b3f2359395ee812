/**
 * The end of a sidecar: what was accepted is confirmed and answered before the outbox ends. A bug that passed every test stopped
 * the outbox first: requests under way got no 202, although the broker had their usage, and were sent again.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, expect, it, vi } from 'vitest';
import { ConfigError } from '../../../shared/config/config.ts';
import { ListenError } from '../../../shared/http/listen-error.ts';
import { createLog } from '../../../shared/log/log.ts';
import type { Lifecycle } from '../../../shared/lifecycle/lifecycle.ts';
import { type FakeBroker, type FakeSession, turns } from '../../../shared/testing/fake-broker.ts';
import { until } from '../../../shared/testing/until.ts';
import { parseConfig } from './config.ts';
import { PublisherService } from './service.ts';
import { spoolLimits } from './spool/limits.ts';
import { createSpoolMetrics } from './spool/metrics.ts';
import { Spool } from './spool/spool.ts';

vi.mock('../../../shared/amqp/connection.ts', async () => {
  const { FakeBroker } = await import('../../../shared/testing/fake-broker.ts');
  return {
    BrokerConnection: class extends FakeBroker {
      constructor() {
        super();
        brokers.push(this);
      }
    },
  };
});
const brokers = vi.hoisted((): FakeBroker[] => []);

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  brokers.length = 0;
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Sidecar {
  readonly service: PublisherService;
  readonly folder: string;
  readonly broker: FakeBroker;
  readonly session: FakeSession;
  readonly post: (id: string) => Promise<number>;
}

/** A sidecar on a free port of its own, whose broker is the test's. */
async function startSidecar(env: Readonly<Record<string, string>> = {}): Promise<Sidecar> {
  const folder = join(tmpdir(), `tallyman-service-${randomUUID()}`);
  const socket = join(tmpdir(), `${randomUUID()}.sock`);
  const config = parseConfig({
    AMQP_URL: 'amqp://127.0.0.1',
    TALLYMAN_SOCKET: socket,
    TALLYMAN_SPOOL_DIR: folder,
    TALLYMAN_SPOOL_BYTES: '0',
    TALLYMAN_DRAIN_MS: '3000',
    ...env,
  });
  const lifecycle = { state: 'running' } as unknown as Lifecycle;
  const service = new PublisherService(config, { log: createLog({ service: 'test', level: 'silent' }), lifecycle });
  await service.start();
  cleanups.push(async () => {
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const broker = brokers.at(-1);
  if (broker === undefined) throw new Error('The sidecar has no connection to the broker.');
  const session = broker.connect();
  await turns();
  const post = (id: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      request({ socketPath: socket, path: '/v1/events', method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on('error', reject)
        .end(JSON.stringify({ id, customer: 'cus_1', meter: 'tokens' }));
    });
  return { service, folder, broker, session, post };
}

it('answers, while it drains, what the broker confirms then', async () => {
  const { service, broker, session, post } = await startSidecar();
  const answer = post('1');
  await until(() => session.channel.published.length === 1);
  const stopped = service.stop();
  await turns(100);
  expect(broker.isStopped).toBe(false);
  session.channel.confirm();
  expect(await answer).toBe(202);
  expect(await stopped).toBe(0);
  expect(broker.isStopped).toBe(true);
});

it('publishes, while it drains, again what the broker refuses', async () => {
  const { service, session, post } = await startSidecar();
  const answer = post('1');
  await until(() => session.channel.published.length === 1);
  const stopped = service.stop();
  await turns(100);
  session.channel.nack();
  await until(() => session.channel.published.length === 2);
  session.channel.confirm();
  expect(await answer).toBe(202);
  expect(await stopped).toBe(0);
});

// A port that was taken was followed by "Connected to the broker.", and what a former life had left was waited for in vain.
it('connects to nothing where it cannot listen, and ends at once', async () => {
  const env = { TALLYMAN_SPOOL_BYTES: '10000000', TALLYMAN_DRAIN_MS: '60000' };
  await expect(startSidecar({ ...env, TALLYMAN_SOCKET: '/nowhere/at/all.sock' })).rejects.toThrow(ListenError);
  expect(brokers.map(({ isStarted }) => isStarted)).toEqual([false]);
});

// Where a port was taken, the sidecar ended with "Messages are left in the spool", records 0, and with 75.
it('leaves nothing behind in a new spool where it cannot listen', async () => {
  const folder = join(tmpdir(), `tallyman-service-${randomUUID()}`);
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const place = { TALLYMAN_SPOOL_DIR: folder, TALLYMAN_SOCKET: '/nowhere/at/all.sock' };
  const config = parseConfig({ AMQP_URL: 'amqp://127.0.0.1', ...place });
  const lifecycle: Lifecycle = { state: 'starting', fail: expect.unreachable };
  const service = new PublisherService(config, { log: createLog({ service: 'test', level: 'silent' }), lifecycle });
  await expect(service.start()).rejects.toThrow(ListenError);
  expect(await service.stop()).toBe(0);
});

it('says with its exit code that usage is left in the spool, which it answered with 202', async () => {
  const { service, broker, session, post } = await startSidecar({
    TALLYMAN_SPOOL_BYTES: '10000000',
    TALLYMAN_DRAIN_MS: '300',
  });
  broker.lose(session);
  expect(await post('1')).toBe(202);
  expect(await service.stop()).toBe(75);
});

it('does not start with a file of meters that cannot be used: a fault of the configuration, before anything is opened', async () => {
  const env = { AMQP_URL: 'amqp://127.0.0.1', TALLYMAN_METERS_FILE: '/meters.yaml' };
  const config = parseConfig(env, () => 'meters:\n  - evnt_name: tokens\n');
  const lifecycle: Lifecycle = { state: 'starting', fail: expect.unreachable };
  const service = new PublisherService(config, { log: createLog({ service: 'test', level: 'silent' }), lifecycle });
  const starting = service.start();
  await expect(starting).rejects.toThrow(ConfigError);
  await expect(starting).rejects.toThrow(/TALLYMAN_METERS_FILE, line 2: /);
  await expect(service.stop()).resolves.toBe(0);
  expect(brokers).toEqual([]);
});

// A connection that could not be closed left the spool locked and its last cursor unwritten.
it('stops everything else when one part cannot be stopped', async () => {
  const { service, broker, folder } = await startSidecar({ TALLYMAN_SPOOL_BYTES: '10000000' });
  const broken = new Error('The socket is stuck.');
  broker.stop = () => Promise.reject(broken);
  await expect(service.stop()).rejects.toMatchObject({ errors: [broken] });
  broker.stop = async () => undefined;
  const log = createLog({ service: 'test', level: 'silent' });
  const metrics = createSpoolMetrics(new Registry(), () => next);
  const next: Spool = new Spool({ folder, limits: spoolLimits(10_000_000), log, metrics });
  await next.start();
  expect(next.state).toBe('open');
  await next.stop();
});
