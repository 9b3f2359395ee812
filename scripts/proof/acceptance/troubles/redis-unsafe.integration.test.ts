import { expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { openStage, pick } from '../stage/stage.ts';

// Redis' settings were only looked at when a consumer started: what they became afterwards was never noticed.
it(
  'says that Redis may lose what it acknowledges, after a new connection, and when that is over',
  { timeout: testTimeoutMs },
  async () => {
    const { cluster, journal } = await openStage({ own: ['redis'] });
    const consumer = pick(cluster.consumers);
    const unsafe = async () => (await consumer.metrics()).sum('tallyman_consumer_redis_unsafe');
    const becomes = async (appendfsync: string, is: number): Promise<void> => {
      await journal.config('SET', 'appendfsync', appendfsync);
      await journal.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await until(async () => expect(await unsafe()).toBe(is), patient);
    };
    await journal.config('SET', 'appendonly', 'yes');
    await becomes('always', 0);
    await becomes('everysec', 1);
    expect(JSON.stringify(await (await fetch(`${consumer.url}/readyz`)).json())).toContain(
      'Redis may lose acknowledged writes in a crash',
    );
    expect(await consumer.lastLines(200)).toContain('"reason":"redis_durability"');
    await becomes('always', 0);
    expect(await consumer.lastLines(200)).toContain('Redis keeps again what it acknowledges');
  },
);
