import { setTimeout as sleep } from 'node:timers/promises';
import { type Channel, connect } from 'amqplib';
import { until } from '../../../shared/testing/until.ts';
import { shardQueue } from '../../../shared/topology/names.ts';
import { audit, fetchLedger } from '../audit.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { BenchLoad } from './load/load.ts';
import { openCluster, type Place, type Size } from './place.ts';
import { count } from './report.ts';
import { growth, steadyGrowthMax } from './trend.ts';

export interface BacklogPlan extends Size {
  readonly customers: number;
  readonly ratePerS: number;
  readonly durationS: number;
}

/** Where the usage is, at one moment. */
interface Look {
  readonly atS: number;
  readonly durable: number;
  /** Messages: in the queues, and delivered but not acked. */
  readonly ready: number;
  readonly held: number;
  readonly openEvents: number;
  readonly pendingEntries: number;
  readonly oldestHeldS: number;
  readonly calls: number;
  readonly throttled: number;
}

const shards = 16;
const batch = 100;
const connections = 32;
const lookEveryS = 5;
const lineEveryS = 30;
/** What is left at the end is sealed within a flush interval, and then has two full sets' calls before it. */
const settleDeadlineMs = 600_000;

/**
 * Sends at a steady rate to settings of production (flush interval, window, shards, limit) at a provider that takes 200 ms,
 * and looks whether messages or entries pile up. Resolves with whether they do not, and the books balance.
 */
export async function measureBacklog(place: Place, plan: BacklogPlan, say: (text: string) => void): Promise<boolean> {
  const { customers, ratePerS, durationS } = plan;
  const cluster = await openCluster(place, plan, {
    simulator: { TALLYMAN_SIM_LATENCY: 'lognormal:200:800' },
  });
  const load = await BenchLoad.open({
    targets: cluster.publishers.map(({ url }) => url),
    customers,
    batch,
    connections,
  });
  const broker = await connect(place.broker.url);
  try {
    say(
      `\n${count(ratePerS)} events/s of ${count(customers)} keys for ${durationS} s; the provider takes 200 ms (p99 800 ms)`,
    );
    say(columns.map((title) => title.padStart(width)).join(''));
    const channel = await broker.createChannel();
    const ended = new AbortController();
    const sending = load.send({ events: ratePerS * durationS, eventsPerS: ratePerS }).finally(() => ended.abort());
    const [latency, looks] = await Promise.all([sending, watch(cluster, load, channel, ended.signal, say)]);
    load.close();
    const backlogGrowth = growth(looks.map(({ ready, held, pendingEntries }) => ready + held + pendingEntries));
    const steady = backlogGrowth <= steadyGrowthMax;
    say(`backlog (ready + held + pending): last third over the third before: ${backlogGrowth.toFixed(3)}`);
    say(`202: p50 ${latency.percentile(0.5).toFixed(1)} ms, p99 ${latency.percentile(0.99).toFixed(1)} ms`);
    say(steady ? 'verdict: the backlog does not grow' : 'verdict: THE BACKLOG GROWS');

    await until(async () => isSettled(await lookAt(cluster, load, channel, 0)), {
      deadlineMs: settleDeadlineMs,
      intervalMs: 1_000,
    });
    await broker.close();
    await cluster.drain();
    const ledger = await fetchLedger(cluster.stripeApiBase, true);
    const { differences, compared } = audit(load.owed(), ledger);
    const over = differences.filter(({ kind }) => kind === 'over').length;
    say(
      `audit after everything has settled: ${differences.length - over} lost, ${over} duplicated, of ${count(compared)} totals`,
    );
    say(
      `Stripe saw ${count(ledger.calls ?? 0)} calls, at most ${ledger.peakPerSecond ?? 0} in a second; 429: ${ledger.throttled}, ` +
        `two at once in a lane: ${ledger.concurrencyViolations ?? 0}`,
    );
    return steady && differences.length === 0;
  } finally {
    load.close();
  }
}

function isSettled({ ready, held, openEvents, pendingEntries }: Look): boolean {
  return ready + held + openEvents + pendingEntries === 0;
}

async function watch(
  cluster: Cluster,
  load: BenchLoad,
  channel: Channel,
  ended: AbortSignal,
  say: (text: string) => void,
): Promise<readonly Look[]> {
  const startedMs = performance.now();
  const looks: Look[] = [];
  let lined: Look | undefined;
  while (!ended.aborted) {
    await sleep(lookEveryS * 1_000, undefined, { signal: ended }).catch(() => undefined);
    const look = await lookAt(cluster, load, channel, (performance.now() - startedMs) / 1_000);
    looks.push(look);
    if (look.atS - (lined?.atS ?? 0) < lineEveryS - lookEveryS / 2 && !ended.aborted) continue;
    say(lineOf(look, lined));
    lined = look;
  }
  return looks;
}

async function lookAt(cluster: Cluster, load: BenchLoad, channel: Channel, atS: number): Promise<Look> {
  const [ledger, queues, pages] = await Promise.all([
    fetchLedger(cluster.stripeApiBase, false),
    Promise.all(Array.from({ length: shards }, (_, shard) => channel.checkQueue(shardQueue(cluster.namespace, shard)))),
    Promise.all(cluster.consumers.map((consumer) => consumer.metrics())),
  ]);
  const readings = (name: string): number[] => pages.map((page) => page.sum(`tallyman_consumer_${name}`) ?? 0);
  const total = (name: string): number => readings(name).reduce((sum, value) => sum + value, 0);
  return {
    atS,
    durable: load.durable,
    ready: queues.reduce((sum, { messageCount }) => sum + messageCount, 0),
    held: total('messages_held'),
    openEvents: total('events_open'),
    pendingEntries: total('entries_pending'),
    oldestHeldS: Math.max(...readings('oldest_held_seconds')),
    calls: ledger.calls ?? 0,
    throttled: ledger.throttled,
  };
}

const columns = ['s', 'events/s', 'ready', 'held', 'open', 'pending', 'calls/s', 'oldest s', '429'] as const;
const width = 10;

function lineOf(look: Look, before: Look | undefined): string {
  const passedS = look.atS - (before?.atS ?? 0);
  const perS = (now: number, then: number | undefined): number => (now - (then ?? 0)) / passedS;
  const cells = [
    look.atS,
    perS(look.durable, before?.durable),
    look.ready,
    look.held,
    look.openEvents,
    look.pendingEntries,
    perS(look.calls, before?.calls),
    look.oldestHeldS,
    look.throttled,
  ];
  return cells.map((cell) => count(cell).padStart(width)).join('');
}
