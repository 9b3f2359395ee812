import { describe, expect, it, onTestFinished } from 'vitest';
import { Secret } from '../../../../shared/config/secret.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { connectRedis, type Redis, untilReady } from '../../../../shared/redis/client.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { until } from '../../../../shared/testing/until.ts';
import { clusterKeyPrefix } from '../../../../shared/topology/names.ts';
import { type Meter, MetersUnreadable } from '../provider/provider.ts';
import { type CatalogOptions, type MeterCatalogSource, startCatalog } from './catalog.ts';
import { type MeterCatalog, metersOf } from './meter-list.ts';
import { wantNewerLists } from './stored-catalog.ts';

const log = createLog({ service: 'test', level: 'silent' });
const calls: Meter = { eventName: 'calls', formula: 'sum', customerKey: 'stripe_customer_id', valueKey: 'value' };
const seats: Meter = {
  ...calls,
  id: 'mtr_2',
  namesakes: [{ id: 'mtr_1', formula: 'sum' }],
  eventName: 'seats',
  formula: 'last',
  eventTimeWindow: 'day',
};

/** A provider whose list can be changed, and can be away. */
class Meters {
  list: readonly Meter[] = [calls];
  isAway = false;
  reads = 0;
  /** When it was asked first. */
  askedAtMs: number | undefined;

  /** Of connected accounts; one that is not here is not ours to read. */
  readonly connected = new Map<string, readonly Meter[]>();
  readonly connectedReads: string[] = [];

  meters(account?: string): Promise<readonly Meter[]> {
    if (account !== undefined) {
      this.connectedReads.push(account);
      const list = this.connected.get(account);
      return list === undefined ? Promise.reject(new MetersUnreadable('revoked')) : Promise.resolve(list);
    }
    this.askedAtMs ??= performance.now();
    this.reads++;
    return this.isAway ? Promise.reject(new Error('HTTP 500')) : Promise.resolve(this.list);
  }
}

interface Cluster {
  readonly provider: Meters;
  readonly keyPrefix: string;
  join(): Promise<{ catalog: MeterCatalogSource; redis: Redis }>;
}

function clusterOf(options: Partial<CatalogOptions> = {}): Cluster {
  const { namespace, redisUrl } = sharedServices();
  const provider = new Meters();
  const keyPrefix = clusterKeyPrefix(namespace);
  return {
    provider,
    keyPrefix,
    async join() {
      const redis = connectRedis(new Secret(redisUrl), { name: 'catalog-test', log });
      onTestFinished(() => redis.disconnect());
      await untilReady(redis);
      const catalog = startCatalog({ provider, redis, keyPrefix, log, ...options });
      onTestFinished(() => catalog.stop());
      return { catalog, redis };
    },
  };
}

const never = new AbortController().signal;

describe('the catalog of meters', () => {
  it('is read once for a whole cluster', async () => {
    const cluster = clusterOf();
    const members = await Promise.all([cluster.join(), cluster.join(), cluster.join()]);
    await Promise.all(members.map(({ catalog }) => catalog.untilKnown(never)));
    for (const { catalog } of members) expect(catalog.current().meters).toEqual(new Map([['calls', calls]]));
    expect(cluster.provider.reads).toBe(1);
  });

  it('survives storage whole', async () => {
    const cluster = clusterOf();
    cluster.provider.list = [calls, seats];
    await (await cluster.join()).catalog.untilKnown(never);
    const { catalog } = await cluster.join();
    await catalog.untilKnown(never);
    expect([...catalog.current().meters.values()]).toEqual([calls, seats]);
    expect(cluster.provider.reads).toBe(1);
  });

  it('says for every member when the provider was asked, on its own clock and never too late', async () => {
    const cluster = clusterOf();
    const beforeMs = performance.now();
    const first = await cluster.join();
    await first.catalog.untilKnown(never);
    expect(first.catalog.current().askedAtMs).toBeGreaterThan(beforeMs);
    expect(first.catalog.current().askedAtMs).toBeLessThanOrEqual(cluster.provider.askedAtMs ?? 0);
    // Clocks that are read in whole milliseconds would be too late for one in so many.
    for (let joins = 0; joins < 20; joins++) {
      const { catalog } = await cluster.join();
      await catalog.untilKnown(never);
      expect(catalog.current().askedAtMs).toBeLessThanOrEqual(cluster.provider.askedAtMs ?? 0);
    }
  });

  it('is read early for a meter that is missing, but only at the pace of the cluster', async () => {
    const cluster = clusterOf({ paceMs: 1_500 });
    const [one, two] = await Promise.all([cluster.join(), cluster.join()]);
    await Promise.all([one.catalog.untilKnown(never), two.catalog.untilKnown(never)]);
    const heard: MeterCatalog[] = [];
    two.catalog.onRead((catalog) => heard.push(catalog));
    const missingSinceMs = performance.now();
    cluster.provider.list = [calls, seats];
    const asking = setInterval(() => {
      one.catalog.refresh();
      two.catalog.refresh();
    }, 20);
    onTestFinished(() => clearInterval(asking));
    await until(() => one.catalog.current().meters.has('seats') && two.catalog.current().meters.has('seats'));
    clearInterval(asking);
    expect(cluster.provider.reads).toBe(2);
    expect(heard.at(-1)?.askedAtMs).toBeGreaterThan(missingSinceMs);
  });

  it('is read again when it is old', async () => {
    const cluster = clusterOf({ maxAgeMs: 1, paceMs: 50 });
    const { catalog } = await cluster.join();
    await catalog.untilKnown(never);
    cluster.provider.list = [calls, seats];
    const { catalog: late } = await cluster.join();
    await late.untilKnown(never);
    await until(() => late.current().meters.has('seats'));
    expect(cluster.provider.reads).toBeGreaterThan(1);
  });

  // A restart took the stored list, which may be as old as before it.
  it('is read again at once when a person asks for it, once', async () => {
    const cluster = clusterOf({ paceMs: 50, pollMs: 20 });
    const { catalog, redis } = await cluster.join();
    await catalog.untilKnown(never);
    expect(cluster.provider.reads).toBe(1);
    cluster.provider.list = [calls, seats];
    await wantNewerLists(redis, cluster.keyPrefix);
    await until(() => expect(catalog.current().meters.has('seats')).toBe(true));
    const { catalog: late } = await cluster.join();
    await late.untilKnown(never);
    expect(late.current().meters.has('seats')).toBe(true);
    expect(cluster.provider.reads).toBe(2);
  });

  it('is used though it is old while the provider is away', async () => {
    const cluster = clusterOf({ maxAgeMs: 1, paceMs: 50 });
    await (await cluster.join()).catalog.untilKnown(never);
    cluster.provider.isAway = true;
    const { catalog } = await cluster.join();
    await catalog.untilKnown(never);
    expect(catalog.current().meters.has('calls')).toBe(true);
  });

  it('is kept when Redis is away', async () => {
    const cluster = clusterOf();
    const { catalog, redis } = await cluster.join();
    await catalog.untilKnown(never);
    redis.disconnect();
    catalog.refresh();
    await until(() => redis.status === 'end');
    expect(catalog.current().meters.has('calls')).toBe(true);
  });

  it('comes as soon as the provider is back, and until then nothing can be counted', async () => {
    const cluster = clusterOf({ paceMs: 50 });
    cluster.provider.isAway = true;
    const { catalog } = await cluster.join();
    await until(() => cluster.provider.reads >= 2);
    expect(() => catalog.current()).toThrow('not known yet');
    cluster.provider.isAway = false;
    await catalog.untilKnown(never);
  });

  it('is read anew if what is stored cannot be understood', async () => {
    const cluster = clusterOf();
    const { redisUrl } = sharedServices();
    const redis = connectRedis(new Secret(redisUrl), { name: 'catalog-test', log });
    onTestFinished(() => redis.disconnect());
    await untilReady(redis);
    await redis.set(`${cluster.keyPrefix}meters`, '{"version":9}');
    await (await cluster.join()).catalog.untilKnown(never);
    expect(cluster.provider.reads).toBe(1);
  });

  // Redis' clock was set back by an hour: the lock of the last read lasted an hour longer, and a list of before passed for one of now, so
  // that a meter made since was refused as missing.
  it('is read again, and is not taken for a new one, after the clock was set back', async () => {
    const cluster = clusterOf({ paceMs: 50 });
    const { redis } = await cluster.join().then(async (member) => {
      await member.catalog.untilKnown(never);
      member.catalog.stop();
      return member;
    });
    const key = `${cluster.keyPrefix}meters`;
    const stored = JSON.parse((await redis.get(key)) ?? '') as { readAtMs: number };
    await redis.set(key, JSON.stringify({ ...stored, readAtMs: stored.readAtMs + 3_600_000 }));
    await redis.set(`${key}:lock`, '1', 'PX', 3_600_000);
    const { catalog } = await cluster.join();
    await catalog.untilKnown(never);
    expect(catalog.current().askedAtMs).toBe(Number.NEGATIVE_INFINITY);
    await until(() => expect(catalog.current().askedAtMs).toBeGreaterThan(0));
    expect(cluster.provider.reads).toBe(2);
  });

  // Connected accounts shared the platform's list: usage of a meter that only they have was refused as no_meter, and one with another
  // formula was added up wrongly.
  it("knows a connected account's own meters, once they were asked for, and reads them once for the cluster", async () => {
    const cluster = clusterOf();
    cluster.provider.connected.set('acct_1', [seats]);
    const [one, two] = await Promise.all([cluster.join(), cluster.join()]);
    await Promise.all([one.catalog.untilKnown(never), two.catalog.untilKnown(never)]);
    expect(metersOf(one.catalog.current(), 'acct_1')).toBeUndefined();
    for (const { catalog } of [one, two]) catalog.refresh('acct_1');
    for (const { catalog } of [one, two]) {
      await until(() => expect(metersOf(catalog.current(), 'acct_1')?.meters).toEqual(new Map([['seats', seats]])));
      expect(catalog.current().meters.has('seats')).toBe(false);
    }
    expect(cluster.provider.connectedReads).toEqual(['acct_1']);
  });

  it('says why the meters of a connected account cannot be read, and reads them when they can be', async () => {
    const cluster = clusterOf({ paceMs: 50 });
    const { catalog } = await cluster.join();
    await catalog.untilKnown(never);
    catalog.refresh('acct_1');
    await until(() =>
      expect(catalog.current().connected?.get('acct_1')).toMatchObject({ unreadable: { reason: 'revoked' } }),
    );
    cluster.provider.connected.set('acct_1', [calls]);
    await until(() => expect(metersOf(catalog.current(), 'acct_1')?.meters.has('calls')).toBe(true));
  });

  it('is not waited for any longer than somebody wants', async () => {
    const cluster = clusterOf();
    cluster.provider.isAway = true;
    const { catalog } = await cluster.join();
    const giveUp = new AbortController();
    const waiting = catalog.untilKnown(giveUp.signal);
    giveUp.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});
