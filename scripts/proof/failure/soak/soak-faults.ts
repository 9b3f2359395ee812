import { setTimeout as sleep } from 'node:timers/promises';
import type { Answering } from '../points/points.ts';
import type { PlannedFault } from './schedule.ts';
import { linkOf, type Member, type Scene } from '../scene.ts';

/** A fault that has begun. */
export interface Begun {
  readonly whom: string;
  /** Resolves when it is over and everybody who was ended runs again. */
  readonly over: Promise<void>;
}

/** What Stripe does to some of the calls; each with the share of them. */
const providerFaults = {
  'failing-provider': [
    { kind: 'error', rate: 0.2 },
    { kind: 'error-after', rate: 0.2 },
    { kind: 'reset-after', rate: 0.1 },
    { kind: 'throttle', rate: 0.1 },
    { kind: 'lock-timeout', rate: 0.05 },
    { kind: 'proxy', rate: 0.05 },
  ],
  'slow-provider': [
    { kind: 'slow', rate: 0.2, delayMs: 1_000 },
    { kind: 'timeout', rate: 0.1 },
    { kind: 'reset', rate: 0.1 },
  ],
} as const;

interface Disturbance {
  /** Whoever is in trouble, and in no other until this is over. */
  readonly subject: unknown;
  readonly whom: string;
  run(): Promise<void>;
}

/** Begins the fault, unless everybody whom it could concern is `busy` with another one. */
export function causeFault(scene: Scene, fault: PlannedFault, busy: Set<unknown>): Begun | undefined {
  const free = disturbances(scene, fault).filter(({ subject }) => !busy.has(subject));
  const chosen = free[Math.floor(fault.place * free.length)];
  if (chosen === undefined) return undefined;
  busy.add(chosen.subject);
  return { whom: chosen.whom, over: chosen.run().finally(() => busy.delete(chosen.subject)) };
}

export async function endProviderFaults(base: string): Promise<void> {
  await fetch(`${base}/_sim/faults`, { method: 'DELETE', signal: AbortSignal.timeout(10_000) });
}

function disturbances(scene: Scene, { kind, lastsMs, link }: PlannedFault): readonly Disturbance[] {
  const { publishers, consumers, ground } = scene;
  switch (kind) {
    case 'kill-publisher':
      return publishers.map((member) => killing(member, lastsMs));
    case 'kill-consumer':
      return consumers.map((member) => killing(member, lastsMs));
    case 'freeze-publisher':
      return publishers.map((member) => freezing(member, lastsMs));
    case 'freeze-consumer':
      return consumers.map((member) => freezing(member, lastsMs));
    case 'kill-broker':
    case 'kill-redis': {
      const subject = kind === 'kill-broker' ? ground.broker : ground.redis;
      return [{ subject, whom: subject.url, run: () => outage(subject, lastsMs) }];
    }
    case 'freeze-broker':
    case 'freeze-redis': {
      const subject = kind === 'freeze-broker' ? ground.broker : ground.redis;
      const run = async (): Promise<void> => {
        await subject.freeze();
        await sleep(lastsMs);
        await subject.thaw();
      };
      return [{ subject, whom: subject.url, run }];
    }
    case 'cut-link':
    case 'stall-link':
    case 'reset-link':
    case 'half-open-link':
    case 'lost-answers':
      return [...publishers, ...consumers].map((member) => {
        const answering = answeringAt(member, link);
        const whom = `${member.service.name} – ${answering}`;
        return { subject: linkOf(member, answering), whom, run: () => disturb(member, answering, kind, lastsMs) };
      });
    case 'failing-provider':
    case 'slow-provider': {
      const body = providerFaults[kind].map((fault) => ({ ...fault, durationMs: lastsMs }));
      return [
        { subject: kind, whom: ground.simulator.url, run: () => troubleProvider(ground.simulator.url, body, lastsMs) },
      ];
    }
  }
}

/** One of its connections, by who answers on it; `at`: 0 to 1. */
function answeringAt({ links }: Member, at: number): Answering {
  const all = [...links.keys()];
  const answering = all[Math.floor(at * all.length)];
  if (answering === undefined) throw new Error('every member has connections');
  return answering;
}

function killing({ service }: Member, lastsMs: number): Disturbance {
  const run = async (): Promise<void> => {
    await service.kill();
    await sleep(lastsMs);
    await service.restart();
  };
  return { subject: service, whom: service.name, run };
}

function freezing({ service }: Member, lastsMs: number): Disturbance {
  const run = async (): Promise<void> => {
    service.freeze();
    await sleep(lastsMs);
    service.thaw();
  };
  return { subject: service, whom: service.name, run };
}

async function outage(backing: Scene['ground']['redis'], lastsMs: number): Promise<void> {
  await backing.kill();
  await sleep(lastsMs);
  await backing.start();
}

async function disturb(
  member: Member,
  answering: Answering,
  kind: 'cut-link' | 'stall-link' | 'reset-link' | 'half-open-link' | 'lost-answers',
  lastsMs: number,
): Promise<void> {
  const link = linkOf(member, answering);
  switch (kind) {
    case 'reset-link':
      link.reset();
      return;
    case 'half-open-link':
      link.halfOpen();
      return;
    case 'cut-link':
      link.cut();
      break;
    case 'stall-link':
      link.stall();
      break;
    case 'lost-answers':
      link.loseAnswers();
      break;
  }
  await sleep(lastsMs);
  link.restore();
}

async function troubleProvider(base: string, body: readonly object[], lastsMs: number): Promise<void> {
  const response = await fetch(`${base}/_sim/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`the simulator took no faults: ${await response.text()}`);
  await sleep(lastsMs);
}
