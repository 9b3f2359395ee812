import { expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';

// Redis' memory was full: nothing was billed, every consumer was ready, and no log had a line about it above debug.
it(
  'says that Redis refuses writes, is not ready meanwhile, and bills everything after it',
  { timeout: testTimeoutMs },
  async () => {
    const stage = await openStage({ own: ['redis'] });
    const { journal, cluster } = stage;
    const [publisher, consumer] = [pick(cluster.publishers), pick(cluster.consumers)];
    const lane = { customer: 'cus_full', meter: 'tokens' };
    await postEvents(publisher, { id: 'before', ...lane, value: 1 });
    await journal.config('SET', 'maxmemory', '1');
    await until(async () => {
      expect(await consumer.isReady()).toBe(false);
      expect((await consumer.metrics()).sum('tallyman_consumer_redis_refuses')).toBe(1);
    }, patient);
    const answer = JSON.stringify(await (await fetch(`${consumer.url}/readyz`)).json());
    expect(answer).toMatch(/Redis refuses writes: its memory is full/);
    await postEvents(publisher, { id: 'meanwhile', ...lane, value: 2 });
    const lines = (await consumer.lastLines(200)).split('\n').filter((line) => line.includes('Redis refuses writes'));
    expect(lines).toHaveLength(1);

    await journal.config('SET', 'maxmemory', '0');
    await until(async () => expect(await consumer.isReady()).toBe(true), patient);
    expect(await closeBooks(stage, () => [owes(lane.customer, lane.meter, 3, 2)])).toMatchObject(exact);
    expect(await consumer.lastLines(200)).toMatch(/Redis takes writes again/);
  },
);
