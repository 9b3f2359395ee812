import { availableParallelism } from 'node:os';
import { audit, fetchLedger, type Verdict } from '../audit.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../../../shared/testing/until.ts';
import type { RunningService } from '../cluster/service.ts';
import { BenchLoad } from './load/load.ts';
import { openCluster, pidsOf, type Place, type Size } from './place.ts';
import { ProcessWatch, type ProcessUsage, readMachineCpuSeconds } from './processes.ts';

export interface ThroughputPlan extends Size {
  readonly events: number;
  readonly batch: number;
  readonly customers: number;
  readonly connections: number;
}

export interface ThroughputRun {
  /** Measured ones, without those of the warm-up. */
  readonly events: number;
  /** All of them, and those of them that were repeated. */
  readonly sent: number;
  readonly repeated: number;
  /** Until the last 202. */
  readonly intakeMs: number;
  /** Until everything is billed. */
  readonly ledgerMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Per process, from the first measured event until everything is billed. */
  readonly processes: readonly ProcessUsage[];
  /** Part of the machine's CPU time that others took meanwhile, 0 to 1; undefined without /proc. */
  readonly othersShare: number | undefined;
  readonly verdict: Verdict;
  readonly calls: number;
  /** Broker messages that carried all of it, warm-up and repeated events too. */
  readonly messages: number;
}

/** Sent before the clock starts, so that what is measured is compiled code. It is in the books and in the audit. */
const warmUpShare = 0.1;
const settleDeadlineMs = 600_000;

/**
 * A single consumer drains at the end, for as long as that takes. Several that are stopped together leave their unsealed
 * counts to each other, and in the end to the broker; so they are waited for, and seal every few seconds.
 */
const drainAtEnd = { TALLYMAN_DRAIN_MS: '600000' };
const sealSoon = { TALLYMAN_FLUSH_INTERVAL_MS: '5000' };

/** One cluster's life: warm-up, load, until all is billed, audit. Settings are otherwise those of production. */
export async function measureThroughput(place: Place, plan: ThroughputPlan): Promise<ThroughputRun> {
  const alone = plan.consumers === 1;
  const cluster = await openCluster(place, plan, { consumer: alone ? drainAtEnd : sealSoon });
  const load = await BenchLoad.open({
    targets: cluster.publishers.map(({ url }) => url),
    customers: plan.customers,
    batch: plan.batch,
    connections: plan.connections,
  });
  const watch = new ProcessWatch(pidsOf(place, cluster));
  try {
    await load.send({ events: plan.events * warmUpShare });
    const warmedUp = load.durable;
    const before = { processes: watch.read(), machineS: readMachineCpuSeconds() };
    const startedMs = performance.now();

    const latency = await load.send({ events: plan.events });
    const intakeMs = performance.now() - startedMs;
    load.close();
    const messages = await total(cluster.publishers, 'tallyman_publisher_messages_published_total');
    if (alone) {
      await untilTold(cluster, 'events_total', load.durable);
      await cluster.drain();
    } else {
      await untilTold(cluster, 'events_billed_total', load.durable);
    }
    const ledgerMs = performance.now() - startedMs;
    const machineS = readMachineCpuSeconds();
    const processes = since(watch.read(), before.processes);
    // Once nobody runs, nothing can be billed late or twice any more.
    await cluster.drain();
    const ledger = await fetchLedger(cluster.stripeApiBase, true);
    return {
      events: load.durable - warmedUp,
      sent: load.durable + load.repeated,
      intakeMs,
      ledgerMs,
      p50Ms: latency.percentile(0.5),
      p99Ms: latency.percentile(0.99),
      processes,
      othersShare: shareOfOthers(machineS, before.machineS, processes, ledgerMs),
      verdict: audit(load.owed(), ledger),
      calls: ledger.calls ?? 0,
      messages,
      repeated: load.repeated,
    };
  } finally {
    watch.stop();
    load.close();
    await cluster.simulator?.drain();
  }
}

/** Until the consumers together have counted, or billed, that many events. */
async function untilTold(cluster: Cluster, metric: string, events: number): Promise<void> {
  await until(
    async () => {
      const told = await total(cluster.consumers, `tallyman_consumer_${metric}`);
      if (told < events) throw new Error(`${metric} is ${told} of ${events}`);
    },
    { deadlineMs: settleDeadlineMs, intervalMs: 100 },
  );
}

async function total(services: readonly RunningService[], metric: string): Promise<number> {
  const pages = await Promise.all(services.map((service) => service.metrics()));
  return pages.reduce((sum, page) => sum + (page.sum(metric) ?? 0), 0);
}

function since(after: readonly ProcessUsage[], before: readonly ProcessUsage[]): ProcessUsage[] {
  const started = new Map(before.map(({ name, cpuSeconds }) => [name, cpuSeconds]));
  return after.map((usage) => ({ ...usage, cpuSeconds: usage.cpuSeconds - (started.get(usage.name) ?? 0) }));
}

function shareOfOthers(
  after: number | undefined,
  before: number | undefined,
  processes: readonly ProcessUsage[],
  elapsedMs: number,
): number | undefined {
  if (after === undefined || before === undefined) return undefined;
  const ours = processes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  return Math.max(0, after - before - ours) / (availableParallelism() * (elapsedMs / 1_000));
}
