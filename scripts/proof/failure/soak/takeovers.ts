import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Channel } from 'amqplib';
import { until } from '../../../../shared/testing/until.ts';
import { shardQueue } from '../../../../shared/topology/names.ts';
import { leaseHolders } from '../../../lab/cluster/leases.ts';
import { assertHealthy, complaints } from '../../../lab/demonstration/health.ts';
import { startLoad } from '../../../lab/load/load.ts';
import type { Ground } from '../ground.ts';
import { percentile } from '../recovery.ts';
import { linkOf, type Member, openScene, type Scene } from '../scene.ts';
import { closeBooks, describe, isExact } from '../verdict.ts';

const leaseMs = 3_000;
/** What the issue of the guarantee promises for a dead and for a drained consumer (p99). */
const limitsMs = { killed: leaseMs + 2_000, drained: 2_000 } as const;
/** More than any run takes: the load is ended with the last round. */
const load = { events: 10_000_000, customers: 100, ratePerS: 1_000, batch: 10 } as const;
const lookEveryMs = 20;
const deadlineMs = 30_000;
const patienceMs = 60_000;

type End = keyof typeof limitsMs;

/**
 * Ends one consumer of three after the other, in turn by SIGKILL and by SIGTERM, under load, and measures for each of its shards how
 * long nobody counts: until another consumer holds its lease and consumes its queue, and everything that waited in it is delivered.
 * True if both limits hold and the bill is exact.
 */
export async function measureTakeovers(ground: Ground, rounds: number, say: (text: string) => void): Promise<boolean> {
  const scene = await openScene(ground, {
    publishers: 1,
    consumers: 3,
    shards: 12,
    leaseMs,
    flushIntervalMs: 500,
    failpoints: false,
  });
  const connection = await connect(ground.broker.url);
  const channel = await connection.createChannel();
  const [publisher] = scene.publishers;
  if (publisher === undefined) throw new Error('there is no sidecar');
  const sending = startLoad({ targets: [linkOf(publisher, 'publisher').url], ...load });
  sending.finished.catch(() => undefined);
  const timesMs: Record<End, number[]> = { killed: [], drained: [] };
  try {
    for (let round = 0; round < rounds; round++) {
      for (const end of ['killed', 'drained'] as const) {
        const member = scene.consumers[round % scene.consumers.length];
        if (member === undefined) throw new Error('there is no consumer');
        const times = await takeOver(scene, channel, member, end);
        timesMs[end].push(...times);
        say(
          `[${round + 1}/${rounds}] ${member.service.name} ${end}: its shards counted again after ${describeAll(times)}`,
        );
        await member.service.restart();
        await assertHealthy(scene.cluster);
      }
    }
    sending.end();
    const sent = await sending.finished;
    const verdict = await closeBooks(scene, () => [...sent.owed()], patienceMs);
    say('');
    const held = (['killed', 'drained'] as const).map((end) => holds(end, timesMs[end], say));
    say(describe(verdict));
    return isExact(verdict) && !held.includes(false);
  } catch (error) {
    say(`FAILED: ${error instanceof Error ? error.message : String(error)}\n${await complaints(scene.cluster)}`);
    return false;
  } finally {
    await sending.stop();
    await connection.close();
    await scene.close();
  }
}

/** How long nobody counted, per shard of this consumer. */
async function takeOver(scene: Scene, channel: Channel, { service }: Member, end: End): Promise<readonly number[]> {
  const place = { journal: scene.ground.journal, namespace: scene.cluster.namespace, shards: scene.options.shards };
  const { pid } = service;
  const shards = await until(
    async () => {
      const holders = await leaseHolders(place);
      const own = [...holders.keys()].filter((shard) => holders[shard] === pid);
      // Spread evenly: this one has joined for good, and nobody is handing over.
      return !holders.includes(undefined) && own.length === Math.floor(place.shards / scene.consumers.length) && own;
    },
    { deadlineMs },
  );
  const startedAt = performance.now();
  const gone = end === 'killed' ? service.kill() : service.drain();
  const waiting = new Set(shards);
  const times: number[] = [];
  while (waiting.size > 0) {
    if (performance.now() - startedAt > deadlineMs) {
      throw new Error(
        `shards ${[...waiting].join(', ')} of ${service.name} were not taken over in ${deadlineMs / 1_000} s`,
      );
    }
    const holders = await leaseHolders(place);
    for (const shard of waiting) {
      const holder = holders[shard];
      if (holder === undefined || holder === pid) continue;
      const { consumerCount, messageCount } = await channel.checkQueue(shardQueue(place.namespace, shard));
      if (consumerCount === 0 || messageCount > 0) continue;
      waiting.delete(shard);
      times.push(performance.now() - startedAt);
    }
    await sleep(lookEveryMs);
  }
  await gone;
  return times;
}

function holds(end: End, timesMs: readonly number[], say: (text: string) => void): boolean {
  const p99Ms = percentile(timesMs, 0.99);
  const isHeld = p99Ms <= limitsMs[end];
  const lease = end === 'killed' ? `, lease ${leaseMs} ms` : '';
  say(`${end}: ${describeAll(timesMs)}; limit of p99 ${limitsMs[end]} ms${lease}: ${isHeld ? 'held' : 'NOT HELD'}`);
  return isHeld;
}

function describeAll(timesMs: readonly number[]): string {
  const show = (share: number): string => `${Math.round(percentile(timesMs, share))} ms`;
  return `p50 ${show(0.5)}, p99 ${show(0.99)}, max ${show(1)} (${timesMs.length} shards)`;
}
