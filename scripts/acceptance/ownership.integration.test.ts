import { setTimeout as lasts } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../../shared/testing/until.ts';
import { clusterKeyPrefix } from '../../shared/topology/names.ts';
import { closeBooks, exact } from './books.ts';
import { durations, testTimeoutMs } from './durations.ts';
import { leaseHolders, shardsHeld } from './leases.ts';
import { sendFor } from './traffic.ts';
import { leaseMs, openStage, pick, type Stage } from './stage.ts';

/** Looked at often: what is waited for here is measured in milliseconds. */
const intervalMs = 20;
const drainMs = 10_000;
/** As slow as Stripe: a shard is not handed over before the calls that are under way have ended. */
const realLatency = { TALLYMAN_SIM_LATENCY: 'lognormal:200:800' };

/** Resolves, with how long it took, once every shard is held by one of these processes. */
async function untilHeldBy(stage: Stage, pids: readonly number[], deadlineMs: number): Promise<number> {
  const since = performance.now();
  await until(
    async () => {
      const holders = await leaseHolders(stage);
      expect(holders.filter((holder) => holder !== undefined && pids.includes(holder))).toHaveLength(stage.shards);
    },
    { deadlineMs, intervalMs },
  );
  return performance.now() - since;
}

function livingPids({ cluster }: Stage): readonly number[] {
  return cluster.consumers.flatMap(({ pid, exit }) => (exit === undefined ? [pid] : []));
}

/** Resolves once every shard is held by a living consumer, and none holds more than one shard above another. */
async function untilEven(stage: Stage, deadlineMs = durations.patienceMs): Promise<void> {
  await until(
    async () => {
      const held = await shardsHeld(stage, livingPids(stage));
      expect(held.reduce((sum, shards) => sum + shards, 0)).toBe(stage.shards);
      expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
    },
    { deadlineMs, intervalMs },
  );
}

/** Resolves once the processes say the same as the leases in Redis. */
async function untilWorking(stage: Stage): Promise<void> {
  await until(
    async () => {
      const living = stage.cluster.consumers.filter(({ exit }) => exit === undefined);
      const pages = await Promise.all(living.map((consumer) => consumer.metrics()));
      const owned = pages.map((metrics) => metrics.sum('tallyman_consumer_shards_owned'));
      expect(owned).toEqual(await shardsHeld(stage, livingPids(stage)));
    },
    { deadlineMs: durations.patienceMs },
  );
}

function report(what: string, ms: number): void {
  console.log(`${what}: ${Math.round(ms)} ms`);
}

describe('shards under load', { timeout: testTimeoutMs }, () => {
  it('move within the lease when their owner is killed', async () => {
    const stage = await openStage({ consumers: 3 });
    const killed = pick(stage.cluster.consumers);
    const others = livingPids(stage).filter((pid) => pid !== killed.pid);
    await untilEven(stage);
    const load = sendFor(stage, 2 * leaseMs);
    await until(() => load.progress.durable > load.events / 4);

    const gone = killed.kill();
    report('shards of a killed consumer have owners after', await untilHeldBy(stage, others, leaseMs));
    await gone;
    await untilEven(stage);
    await untilWorking(stage);

    const sent = await load.finished;
    expect(await closeBooks(stage, sent.owed)).toMatchObject(exact);
  });

  it('spread within half a lease over a member that joins', async () => {
    const stage = await openStage({ consumers: 2, simulator: realLatency });
    await untilEven(stage);
    const load = sendFor(stage, 2 * leaseMs);

    const joining = stage.cluster.addConsumer();
    const members = `${clusterKeyPrefix(stage.cluster.namespace)}members`;
    await until(async () => expect(await stage.journal.zcard(members)).toBe(3), {
      deadlineMs: durations.patienceMs,
      intervalMs,
    });
    const since = performance.now();
    const even = until(
      async () => {
        const holders = await leaseHolders(stage);
        const counts = [...Map.groupBy(holders, (holder) => holder).values()].map((shards) => shards.length);
        expect(holders).not.toContain(undefined);
        expect(counts.sort((left, right) => left - right)).toEqual([5, 5, 6]);
      },
      { deadlineMs: leaseMs / 2, intervalMs },
    );
    await Promise.all([even.then(() => report('shards are spread after a join', performance.now() - since)), joining]);
    await untilWorking(stage);

    const sent = await load.finished;
    expect(await closeBooks(stage, sent.owed)).toMatchObject(exact);
  });

  it('leave an owner that freezes for longer than its lease, and come back to it when it wakes up', async () => {
    const stage = await openStage({ consumers: 2 });
    const [frozen, awake] = [pick(stage.cluster.consumers), pick(stage.cluster.consumers, 1)];
    await untilEven(stage);
    const load = sendFor(stage, 4 * leaseMs);
    await until(() => load.progress.durable > load.events / 8);

    frozen.freeze();
    await untilHeldBy(stage, [awake.pid], durations.patienceMs);
    await lasts(leaseMs / 2);
    expect(await shardsHeld(stage, [frozen.pid, awake.pid])).toEqual([0, stage.shards]);
    frozen.thaw();
    await untilEven(stage);
    await untilWorking(stage);

    const sent = await load.finished;
    expect(await closeBooks(stage, sent.owed)).toMatchObject(exact);
  });

  it('are handed over within two seconds of a SIGTERM, which ends in status 0', async () => {
    const stage = await openStage({
      consumers: 3,
      consumer: { TALLYMAN_DRAIN_MS: String(drainMs) },
      simulator: realLatency,
    });
    const leaving = pick(stage.cluster.consumers);
    const others = livingPids(stage).filter((pid) => pid !== leaving.pid);
    await untilEven(stage);
    const load = sendFor(stage, 2 * leaseMs);
    await until(() => load.progress.durable > load.events / 4);

    const since = performance.now();
    const drained = leaving.drain().then((exit) => ({ exit, tookMs: performance.now() - since }));
    report('shards of a drained consumer have owners after', await untilHeldBy(stage, others, 2_000));
    const { exit, tookMs } = await drained;
    report('a consumer under load has drained after', tookMs);
    expect(exit).toEqual({ code: 0, signal: null });
    expect(tookMs).toBeLessThan(drainMs);
    await untilEven(stage);
    await untilWorking(stage);

    const sent = await load.finished;
    expect(await closeBooks(stage, sent.owed)).toMatchObject(exact);
  });
});
