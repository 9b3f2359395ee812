import { expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { startService } from '../../../lab/cluster/service.ts';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents, tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';

const lane = { customer: 'cus_status', meter: 'tokens' };

/** What `tallyman status` says when it does not end with 0. */
const wrong = (stage: Awaited<ReturnType<typeof openStage>>): Promise<string> =>
  stage.run('status').then(
    () => 'It ended with 0.',
    (error: unknown) => String(error),
  );

// A second consumer was started with a revoked key: it takes its part of nothing, or fails every call, and status said "works;
// what waits goes on by itself", exit 0.
it(
  'names the consumer whose key is refused, with 1, and is well again without it',
  { timeout: testTimeoutMs },
  async () => {
    const stage = await openStage({ shards: 4 });
    const { cluster, urls, nursery } = stage;
    await tellSimulator(stage.simulatorUrl, 'world', { revokedKeys: ['sk_live_revoked'] });
    await until(async () => expect(await wrong(stage)).toBe('It ended with 0.'), patient);
    const other = await startService(nursery, 'consumer', {
      name: 'consumer-revoked',
      env: {
        AMQP_URL: urls.consumer,
        REDIS_URL: urls.redis,
        TALLYMAN_NAMESPACE: cluster.namespace,
        TALLYMAN_SHARDS: '4',
        STRIPE_API_KEY: 'sk_live_revoked',
        STRIPE_API_BASE: stage.simulatorUrl,
        TALLYMAN_LEASE_MS: '3000',
        TALLYMAN_FLUSH_INTERVAL_MS: '500',
      },
    });
    let id = 0;
    await until(async () => {
      // Of many customers, so that some of it is in the shards of the one that cannot bill it.
      await postEvents(
        pick(cluster.publishers),
        ...Array.from({ length: 20 }, (_, at) => ({ id: `${id++}`, ...lane, customer: `cus_${at}`, value: 1 })),
      );
      const said = await wrong(stage);
      expect(said).toContain('ended with status 1');
      expect(said).toMatch(new RegExp(`(credential|STRIPE_API_KEY).* \\([^)]*-${other.pid}-`));
    }, patient);

    await other.drain();
    const events = id;
    await until(async () => expect(await wrong(stage)).toBe('It ended with 0.'), patient);
    const owed = Array.from({ length: 20 }, (_, at) => owes(`cus_${at}`, lane.meter, events / 20, events / 20));
    expect(await closeBooks(stage, () => owed)).toMatchObject(exact);
  },
);

// Redis was full and nothing was billed; status said that nothing waits.
it('says that Redis is full, and that what consumers see may be old', { timeout: testTimeoutMs }, async () => {
  const stage = await openStage({ own: ['redis'], shards: 4 });
  await until(async () => expect(await wrong(stage)).toBe('It ended with 0.'), patient);
  await stage.journal.config('SET', 'maxmemory', '1');
  expect(await wrong(stage)).toMatch(/memory is full[^]*needs you/);
  await stage.journal.config('SET', 'maxmemory', '0');
  await until(async () => expect(await wrong(stage)).toBe('It ended with 0.'), patient);
});
