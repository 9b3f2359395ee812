import { availableParallelism } from 'node:os';
import { audit, fetchLedger, type Verdict } from '../audit.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../../shared/testing/until.ts';
import { BenchLoad } from './load.ts';
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
  readonly repeated: number;
  /** Until the last 202. */
  readonly intakeMs: number;
  /** Until the consumers have drained: everything is billed. */
  readonly ledgerMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Per process, from the first measured event to the end of the drain. */
  readonly processes: readonly ProcessUsage[];
  /** Part of the machine's CPU time that others took meanwhile, 0 to 1; undefined without /proc. */
  readonly othersShare: number | undefined;
  readonly verdict: Verdict;
  readonly calls: number;
}

/** Sent before the clock starts, so that what is measured is compiled code. It is in the books and in the audit. */
const warmUpShare = 0.1;
const countedDeadlineMs = 120_000;

/** One cluster's life: warm-up, load, drain, audit. Settings are those of production, but for where things are. */
export async function measureThroughput(place: Place, plan: ThroughputPlan): Promise<ThroughputRun> {
  const cluster = await openCluster(place, plan, {});
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
    await untilCounted(cluster, load);
    load.close();
    await cluster.drain();
    const ledgerMs = performance.now() - startedMs;

    const machineS = readMachineCpuSeconds();
    const processes = since(watch.read(), before.processes);
    const ledger = await fetchLedger(cluster.stripeApiBase, true);
    return {
      events: load.durable - warmedUp,
      repeated: load.repeated,
      intakeMs,
      ledgerMs,
      p50Ms: latency.percentile(0.5),
      p99Ms: latency.percentile(0.99),
      processes,
      othersShare: shareOfOthers(machineS, before.machineS, processes, ledgerMs),
      verdict: audit(load.owed(), ledger),
      calls: ledger.calls ?? 0,
    };
  } finally {
    watch.stop();
    load.close();
    await cluster.simulator?.drain();
  }
}

/** The queues are empty: a drain would leave in the broker what nobody has counted, which is safe, but not billed. */
async function untilCounted(cluster: Cluster, load: BenchLoad): Promise<void> {
  await until(
    async () => {
      const pages = await Promise.all(cluster.consumers.map((consumer) => consumer.metrics()));
      const counted = pages.reduce((sum, page) => sum + (page.sum('tallyman_consumer_events_total') ?? 0), 0);
      if (counted < load.durable) throw new Error(`${counted} of ${load.durable} events are counted`);
    },
    { deadlineMs: countedDeadlineMs, intervalMs: 100 },
  );
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
