import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { Lifecycle } from '../../../shared/lifecycle/lifecycle.ts';
import { createLog } from '../../../shared/log/log.ts';
import type { FakeBroker } from '../../../shared/testing/fake-broker.ts';
import { until } from '../../../shared/testing/until.ts';
import { parseConfig } from './config.ts';
import { ConsumerService } from './service.ts';

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

// A connection that could not be closed left Redis and the listener open: the process was ended by its deadline.
it('stops everything else when one part cannot be stopped, and says which', async () => {
  const socket = join(tmpdir(), `${randomUUID()}.sock`);
  const config = parseConfig({
    AMQP_URL: 'amqp://127.0.0.1',
    REDIS_URL: 'redis://127.0.0.1:1',
    STRIPE_API_KEY: 'sk_test_1',
    STRIPE_API_BASE: 'http://127.0.0.1:1',
    TALLYMAN_SOCKET: socket,
  });
  const lines: string[] = [];
  const log = createLog({ service: 'test', level: 'error' }, { write: (line) => void lines.push(line) });
  const service = new ConsumerService(config, log, { state: 'running', fail: expect.unreachable } satisfies Lifecycle);
  // Waits for a Redis that is not there, and may end when it is stopped.
  void Promise.allSettled([service.start()]);
  const [broker, ofDeadLetters] = brokers;
  if (broker === undefined || ofDeadLetters === undefined) throw new Error('There are no connections to the broker.');
  await until(() => broker.isStarted);
  expect(existsSync(socket)).toBe(true);
  const broken = new Error('The socket is stuck.');
  broker.stop = () => Promise.reject(broken);
  await expect(service.stop()).rejects.toMatchObject({ errors: [broken] });
  expect(ofDeadLetters.isStopped).toBe(true);
  expect(existsSync(socket)).toBe(false);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toContainEqual(
    expect.objectContaining({ part: 'broker', error: expect.objectContaining({ message: broken.message }) }),
  );
});
