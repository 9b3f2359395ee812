import { setTimeout as lasts } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { clusterKeyPrefix } from '../../../../shared/topology/names.ts';
import { closeBooks, exact } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { leaseHolders, shardsHeld } from '../stage/leases.ts';
import { sendFor } from '../stage/traffic.ts';
import { leaseMs, openStage, pick, type Stage } from '../stage/stage.ts';

/** Looked at often: how long it takes is measured. */
const watchful = { ...patient, intervalMs: 20 };
const drainMs = 10_000;
/** As slow as Stripe: a shard is not handed over before the calls that are under way have ended. */
const realLatency = { TALLYMAN_SIM_LATENCY: 'lognormal:200:800' };
/** Where time is measured in leases: shorter, as the lease is shorter than that of production. */
const scaledLatency = { TALLYMAN_SIM_LATENCY: 'lognormal:60:240' };

/** Resolves once every shard is held by one of these processes. */
async function untilHeldBy(stage: Stage, pids: readonly number[]): Promise<void> {
  await until(async () => {
    const holders = await leaseHolders(stage);
    expect(holders.filter((holder) => holder !== undefined && pids.includes(holder))).toHaveLength(stage.shards);
  }, watchful);
}

function livingPids({ cluster }: Stage): readonly number[] {
  return cluster.consumers.flatMap(({ pid, exit }) => (exit === undefined ? [pid] : []));
}

/** Resolves once every shard is held, by so many processes, and none holds more than one shard above another. */
async function untilEven(stage: Stage, members = livingPids(stage).length): Promise<void> {
  await until(async () => {
    const holders = await leaseHolders(stage);
    const held = [...Map.groupBy(holders, (holder) => holder).values()].map((shards) => shards.length);
    expect(holders).not.toContain(undefined);
    expect(held).toHaveLength(members);
    expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
  }, watchful);
}

/** Resolves once the processes say the same as the leases in Redis. */
async function untilWorking(stage: Stage): Promise<void> {
  await until(async () => {
    const living = stage.cluster.consumers.filter(({ exit }) => exit === undefined);
    const pages = await Promise.all(living.map((consumer) => consumer.metrics()));
    const owned = pages.map((metrics) => metrics.sum('tallyman_consumer_shards_owned'));
    expect(owned).toEqual(await shardsHeld(stage, livingPids(stage)));
  }, patient);
}

/** For what has to happen in time: says how long it took, and a success that comes too late is none. */
async function inTime(what: string, limitMs: number, happens: Promise<unknown>): Promise<void> {
  const since = performance.now();
  await happens;
  const tookMs = Math.round(performance.now() - since);
  console.log(`${what}: after ${tookMs} ms of ${limitMs}`);
  expect(tookMs, what).toBeLessThanOrEqual(limitMs);
}

describe('shards under load', { timeout: testTimeoutMs }, () => {
  it('move within the lease when their owner is killed', async () => {
    const stage = await openStage({ consumers: 3 });
    const killed = pick(stage.cluster.consumers);
    const others = livingPids(stage).filter((pid) => pid !== killed.pid);
    await untilEven(stage);
    const load = sendFor(stage, 2 * leaseMs);
    await until(() => load.progress.durable > load.events / 4, patient);

    const gone = killed.kill();
    await inTime('the shards of a killed consumer have owners', leaseMs, untilHeldBy(stage, others));
    await gone;
    await untilEven(stage);
    await untilWorking(stage);

    const sent = await load.finished;
    expect(await closeBooks(stage, sent.owed)).toMatchObject(exact);
  });

  it('spread within half a lease over a member that joins', async () => {
    const stage = await openStage({ consumers: 2, simulator: scaledLatency });
    await untilEven(stage);
    const load = sendFor(stage, 2 * leaseMs);

    const joining = stage.cluster.addConsumer();
    const members = `${clusterKeyPrefix(stage.cluster.namespace)}members`;
    await until(async () => expect(await stage.journal.zcard(members)).toBe(3), watchful);
    await inTime('the shards are spread after a join', leaseMs / 2, untilEven(stage, 3));
    await joining;
    await untilWorking(stage);

    const sent = await load.finished;
    expect(await closeBooks(stage, sent.owed)).toMatchObject(exact);
  });

  it('leave an owner that freezes for longer than its lease, and come back to it when it wakes up', async () => {
    const stage = await openStage({ consumers: 2 });
    const [frozen, awake] = [pick(stage.cluster.consumers), pick(stage.cluster.consumers, 1)];
    await untilEven(stage);
    const load = sendFor(stage, 4 * leaseMs);
    await until(() => load.progress.durable > load.events / 8, patient);

    frozen.freeze();
    await untilHeldBy(stage, [awake.pid]);
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
    await until(() => load.progress.durable > load.events / 4, patient);

    const drained = leaving.drain();
    await Promise.all([
      inTime('the shards of a drained consumer have owners', 2_000, untilHeldBy(stage, others)),
      inTime('a consumer under load has drained', drainMs, drained),
    ]);
    expect(await drained).toEqual({ code: 0, signal: null });
    await untilEven(stage);
    await untilWorking(stage);

    const sent = await load.finished;
    expect(await closeBooks(stage, sent.owed)).toMatchObject(exact);
  });
});
