import { setTimeout as sleep } from 'node:timers/promises';
import { assertHealthy, complaints } from '../../../lab/demonstration/health.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import { type Load, startLoad } from '../../../lab/load/load.ts';
import type { Ground } from '../ground.ts';
import { Probes } from '../probes.ts';
import { describeTimes } from '../recovery.ts';
import { drawSchedule, type PlannedFault } from './schedule.ts';
import { linkOf, openScene, type Scene } from '../scene.ts';
import { causeFault, endProviderFaults } from './soak-faults.ts';
import { closeBooks, describe, isExact, type Verdict } from '../verdict.ts';

export interface SoakOptions {
  readonly durationMs: number;
  readonly ratePerS: number;
  readonly seed: number;
}

/** Few enough keys that the simulated Stripe's 1,000 calls per second carry them at every flush. */
const customers = 60;
const batch = 100;
const inFlight = 16;
const lookEveryMs = 5_000;
const patienceMs = 180_000;

interface Recovery {
  readonly kind: PlannedFault['kind'];
  readonly tookMs: number;
}

/** Load, and a fault every few seconds, drawn from the seed. True if the bill is exact in the end. */
export async function runSoak(ground: Ground, options: SoakOptions, say: (text: string) => void): Promise<boolean> {
  const { durationMs, ratePerS, seed } = options;
  const planned = drawSchedule(seed, durationMs);
  const minutes = durationMs / 60_000;
  say(`${ratePerS} events/s for ${minutes.toFixed(1)} minutes, ${planned.length} faults, --seed ${seed}`);
  const scene = await openScene(ground, {
    publishers: 2,
    consumers: 3,
    shards: 16,
    leaseMs: 3_000,
    flushIntervalMs: 1_500,
    failpoints: false,
  });
  const probes = new Probes(scene, patienceMs);
  const load = startLoad({
    targets: scene.publishers.map((publisher) => linkOf(publisher, 'publisher').url),
    events: Math.round((durationMs / 1_000) * ratePerS),
    customers,
    ratePerS,
    batch,
    inFlight,
  });
  load.finished.catch(() => undefined);
  const over = new AbortController();
  try {
    const [recoveries] = await Promise.all([
      Promise.all([causeAll(scene, planned, probes, say), sleep(durationMs)])
        .then(([recoveries]) => recoveries)
        .finally(() => over.abort()),
      watch(scene, load, over.signal, say),
    ]);
    load.end();
    const sent = await load.finished;
    await endProviderFaults(ground.simulator.url);
    say('the load is sent and every fault is over; waiting until everything is billed ...');
    const verdict = await closeBooks(scene, () => [...sent.owed(), ...probes.owed()], patienceMs);
    await assertHealthy(scene.cluster);
    report(verdict, recoveries, load, say);
    if (!isExact(verdict)) say(await complaints(scene.cluster));
    return isExact(verdict);
  } catch (error) {
    say(`FAILED: ${error instanceof Error ? error.message : String(error)}\n${await complaints(scene.cluster)}`);
    return false;
  } finally {
    over.abort();
    await load.stop();
    await scene.close();
  }
}

/** Begins every fault at its time, whether or not those before it are over. */
async function causeAll(
  scene: Scene,
  planned: readonly PlannedFault[],
  probes: Probes,
  say: (text: string) => void,
): Promise<readonly Recovery[]> {
  const startedAt = performance.now();
  const elapsed = (): string => `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s`;
  const busy = new Set<unknown>();
  const under = planned.map(async (fault): Promise<Recovery[]> => {
    await sleep(fault.atMs);
    const begun = causeFault(scene, fault, busy);
    if (begun === undefined) {
      say(`${elapsed()}  ${fault.kind}: everybody whom it could concern is in trouble already`);
      return [];
    }
    say(`${elapsed()}  ${fault.kind} ${begun.whom}, ${(fault.lastsMs / 1_000).toFixed(1)} s`);
    await begun.over;
    const overAt = performance.now();
    await probes.billed();
    const tookMs = performance.now() - overAt;
    say(`${elapsed()}  ${fault.kind} ${begun.whom}: every shard bills again ${Math.round(tookMs)} ms after its end`);
    return [{ kind: fault.kind, tookMs }];
  });
  return (await Promise.all(under)).flat();
}

/** Says how far it is, and rejects when a service has ended by itself. */
async function watch(scene: Scene, load: Load, over: AbortSignal, say: (text: string) => void): Promise<void> {
  const { simulator } = scene.ground;
  while (!over.aborted) {
    await sleep(lookEveryMs, undefined, { signal: over }).catch(() => undefined);
    await assertHealthy(scene.cluster);
    const { events, duplicates, throttled, conflicts } = await fetchLedger(simulator.url, false);
    const { durable, retries } = load.progress;
    say(
      `          ${durable} events durable, ${retries} requests sent again; ` +
        `Stripe: ${events} counted, ${duplicates} known already, ${throttled} throttled, ${conflicts ?? 0} conflicts`,
    );
  }
}

function report(verdict: Verdict, recoveries: readonly Recovery[], load: Load, say: (text: string) => void): void {
  const kinds = Map.groupBy(recoveries, ({ kind }) => kind);
  const times = (of: readonly Recovery[]): string => describeTimes(of.map(({ tookMs }) => tookMs));
  say(
    [
      '',
      ...[...kinds].map(([kind, of]) => `  recovery after ${kind.padEnd(17)} ${times(of)}`),
      ...verdict.differences
        .slice(0, 10)
        .map(({ customer, meter, owed, billed }) => `  ${customer} ${meter}: owed ${owed}, billed ${billed}`),
      `${load.progress.repeated} events were sent twice on purpose, ${load.progress.retries} requests again for want of an answer`,
      describe(verdict),
      `recovery: ${times(recoveries)}`,
    ].join('\n'),
  );
}
