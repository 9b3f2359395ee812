import { type Answering, type Occasion, type Point, pointNames, type PointName, points } from './points.ts';

/**
 * What is done to whom while a process is held at a point. kill: SIGKILL, and a new start. freeze: SIGSTOP until after the lease,
 * then SIGCONT. drop: whatever is asked next is done, and its answer is lost with the connection.
 */
export type Action = (typeof actions)[number];
export type Target = 'publisher' | 'consumer' | Exclude<Answering, 'publisher'>;

export interface Fault {
  readonly action: Action;
  readonly target: Target;
}

export interface Case {
  readonly point: PointName;
  readonly fault: Fault;
}

export const actions = ['kill', 'freeze', 'drop'] as const;
export const targets = ['publisher', 'consumer', 'broker', 'redis', 'provider'] as const satisfies readonly Target[];

export function faultName({ action, target }: Fault): string {
  return `${action}-${target}`;
}

export const faults: readonly Fault[] = actions.flatMap((action) => targets.map((target) => ({ action, target })));

/** Every point with every fault that has a meaning there. */
export const cases: readonly Case[] = pointNames.flatMap((point) =>
  faults.filter((fault) => whyNot(points[point], fault) === undefined).map((fault) => ({ point, fault })),
);

/** Why this fault at this point is no case; undefined if it is one. */
export function whyNot(point: Point, { action, target }: Fault): string | undefined {
  if (action === 'drop') {
    if (target === point.awaits) return undefined;
    return target === 'consumer' ? 'nobody asks a consumer anything' : 'no answer of it is awaited there';
  }
  if (target === point.process) return undefined;
  switch (target) {
    case 'publisher':
    case 'consumer':
      return 'it stands at no step of its own then; its own points are cases of their own';
    case 'broker':
      return point.withoutBroker ? 'the point is reached only while the broker is away' : undefined;
    case 'redis':
      return point.process === 'publisher' ? 'a publisher knows no Redis, and waits for nothing that does' : undefined;
    case 'provider':
      if (action === 'kill') return "the simulator's ledger, one half of the audit, would be gone with it";
      return point.awaits === 'provider' ? undefined : 'it matters only to a call, and no call is about to be made';
  }
}

/** How often a point can be passed before it acts, where it is certain to be reached so often. */
export function timesMax(occasion: Occasion): number {
  return occasion === 'usage' ? 3 : 1;
}
