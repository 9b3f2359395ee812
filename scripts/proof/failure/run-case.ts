import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../../shared/testing/until.ts';
import { assertHealthy, complaints } from '../../lab/demonstration/health.ts';
import { type Load, startLoad } from '../../lab/load/load.ts';
import type { Case, Fault } from './points/faults.ts';
import type { Ground } from './ground.ts';
import { type Occasion, points } from './points/points.ts';
import { Probes } from './probes.ts';
import { linkOf, type Member, openScene, type Scene } from './scene.ts';
import { closeBooks, type Verdict } from './verdict.ts';

export interface CaseOutcome {
  readonly verdict?: Verdict;
  /** From the end of the fault until events of every shard, posted from then on, are on the bill. */
  readonly recoveryMs?: number;
  /** The case did not come to its end. */
  readonly failure?: string;
  /** What the services complained of, where something is wrong. */
  readonly complaints?: string;
}

const leaseMs = 1_500;
const frozenMs = 1.5 * leaseMs;
/** Longer than any case: it is ended when the fault is over and everything works again. */
const load = { events: 100_000, customers: 30, ratePerS: 500, batch: 10, inFlight: 8 } as const;
/** The point is armed once so many events are durable. */
const armedAt = 250;
const goOnEveryMs = 500;
const reachedDeadlineMs = 20_000;
const answeredDeadlineMs = 10_000;
const probesDeadlineMs = 60_000;
/** Everything else is seconds: what is not billed by then never is. */
const patienceMs = 20_000;

/** One cluster under load, one process held at the point, the fault, and the audit. */
export async function runCase(ground: Ground, { point, fault }: Case, time: number): Promise<CaseOutcome> {
  const { process } = points[point];
  const scene = await openScene(ground, {
    publishers: 1,
    // With a publisher held, the other consumer would only stand by.
    consumers: process === 'consumer' ? 2 : 1,
    shards: 4,
    leaseMs,
    flushIntervalMs: 300,
    failpoints: true,
  });
  const [publisher] = scene.publishers;
  const [victim] = process === 'publisher' ? scene.publishers : scene.consumers;
  if (publisher === undefined || victim === undefined) throw new Error('a case needs somebody to hold');
  const sending = startLoad({ targets: [linkOf(publisher, 'publisher').url], ...load });
  // Whoever awaits its end hears of a failure.
  sending.finished.catch(() => undefined);
  try {
    const outcome = await runIn(scene, { point, fault }, time, victim, sending);
    await assertHealthy(scene.cluster);
    return outcome;
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { failure, complaints: await complaints(scene.cluster) };
  } finally {
    await sending.stop();
    await scene.close();
  }
}

async function runIn(
  scene: Scene,
  { point, fault }: Case,
  time: number,
  victim: Member,
  load: Load,
): Promise<CaseOutcome> {
  const probes = new Probes(scene, probesDeadlineMs);
  await until(() => load.progress.durable >= armedAt, { deadlineMs: reachedDeadlineMs });
  const afterwards = await bringAbout(scene, points[point].comesWith, victim, () => victim.arm(point, time));
  await until(() => victim.hasReached(point), { deadlineMs: reachedDeadlineMs, intervalMs: 5 }).catch(() => {
    throw new Error(`${victim.service.name} never came to ${point}, so nothing was tried`);
  });

  const { overAt, restarted } = await cause(scene, fault, victim);
  // On a busy machine the file may be seen, and SIGCONT come, before the SIGSTOP that follows the file.
  const goOn = setInterval(() => victim.service.thaw(), goOnEveryMs);
  try {
    await afterwards();
    await probes.billed();
  } finally {
    clearInterval(goOn);
  }
  const recoveryMs = performance.now() - overAt;
  await restarted;

  load.end();
  const sent = await load.finished;
  const verdict = await closeBooks(scene, () => [...sent.owed(), ...probes.owed()], patienceMs);
  return { verdict, recoveryMs };
}

/** Does what makes the victim come to its point. Resolves with what has to be done after the fault. */
async function bringAbout(
  scene: Scene,
  occasion: Occasion,
  victim: Member,
  arm: () => void,
): Promise<() => Promise<void>> {
  const toBroker = linkOf(victim, 'broker');
  const nothing = (): Promise<void> => Promise.resolve();
  switch (occasion) {
    case 'usage':
      arm();
      return nothing;
    case 'outage':
      arm();
      toBroker.cut();
      return () => Promise.resolve(toBroker.restore());
    case 'replay':
      toBroker.cut();
      await until(async () => ((await victim.service.metrics()).sum('tallyman_publisher_spool_records') ?? 0) > 0);
      arm();
      toBroker.restore();
      return nothing;
    case 'takeover': {
      const other = scene.consumers.find((consumer) => consumer !== victim);
      arm();
      void other?.service.drain();
      return nothing;
    }
    case 'drain': {
      arm();
      void victim.service.drain();
      return nothing;
    }
  }
}

interface Caused {
  /** From here on everybody could do their work: those who were taken away are back, or another one has to take over. */
  readonly overAt: number;
  /** A process that was killed is there again. */
  readonly restarted?: Promise<void>;
}

/** The victim stands still at its point when this begins. */
async function cause({ ground }: Scene, { action, target }: Fault, victim: Member): Promise<Caused> {
  const { service } = victim;
  switch (action) {
    case 'kill':
      if (target === service.kind) {
        await service.kill();
        const overAt = performance.now();
        const restarted = service.restart();
        // Whoever awaits it hears of a failure, unless something else has failed before.
        restarted.catch(() => undefined);
        return { overAt, restarted };
      }
      await killed(ground, target, service);
      break;
    case 'freeze':
      if (target === service.kind) {
        await sleep(frozenMs);
        service.thaw();
      } else {
        await frozen(ground, target, service);
      }
      break;
    case 'drop': {
      if (target === 'consumer') throw new Error('nobody asks a consumer anything');
      const link = linkOf(victim, target);
      const before = link.lostBytes;
      link.loseAnswers();
      await until(
        () => {
          service.thaw();
          return link.lostBytes > before;
        },
        { deadlineMs: answeredDeadlineMs, intervalMs: 5 },
      );
      link.restore();
      break;
    }
  }
  return { overAt: performance.now() };
}

async function killed({ broker, redis }: Ground, target: Fault['target'], service: Member['service']): Promise<void> {
  const backing = { broker, redis }[target as 'broker' | 'redis'];
  await backing.kill();
  try {
    service.thaw();
  } finally {
    await backing.start();
  }
}

async function frozen(ground: Ground, target: Fault['target'], service: Member['service']): Promise<void> {
  const { broker, redis, simulator } = ground;
  const provider = {
    freeze: () => Promise.resolve(simulator.freeze()),
    thaw: () => Promise.resolve(simulator.thaw()),
  };
  const backing = { broker, redis, provider }[target as 'broker' | 'redis' | 'provider'];
  await backing.freeze();
  try {
    service.thaw();
    await sleep(frozenMs);
  } finally {
    await backing.thaw();
  }
}
