import { seededRandom } from '../load/random.ts';

/** What is done to a cluster, one after the other. */
export type Fault =
  | { readonly kind: 'delete'; readonly role: Role; readonly grace: 'own' | 'none' }
  /** New pods go elsewhere, until it is lifted. */
  | { readonly kind: 'cordon' }
  | { readonly kind: 'scale'; readonly consumers: number };

export const roles = ['consumer', 'publisher', 'broker'] as const;
export type Role = (typeof roles)[number];

export interface PlannedFault {
  readonly fault: Fault;
  /** After the fault before. */
  readonly afterMs: number;
}

const consumersMax = 6;
const pauseMs = { least: 3_000, most: 12_000 } as const;

/** The same seed gives the same plan. Every kind of fault is in it once before any comes again. */
export function planFaults(seed: number, count: number): readonly PlannedFault[] {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const deck = (): Fault[] => {
    const faults: Fault[] = roles.flatMap((role): Fault[] => [
      { kind: 'delete', role, grace: 'own' },
      { kind: 'delete', role, grace: 'none' },
    ]);
    // Up and down: never less than two, or a kill would leave nobody who could take over.
    const few = 2 + below(2);
    faults.push({ kind: 'cordon' }, { kind: 'scale', consumers: few });
    faults.push({ kind: 'scale', consumers: few + 1 + below(consumersMax - few) });
    return shuffled(faults, below);
  };
  const planned: PlannedFault[] = [];
  for (let faults: Fault[] = []; planned.length < count;) {
    if (faults.length === 0) faults = deck();
    const fault = faults.pop();
    if (fault !== undefined) planned.push({ fault, afterMs: pauseMs.least + below(pauseMs.most - pauseMs.least) });
  }
  return planned;
}

export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'delete':
      return `delete a ${fault.role} pod ${fault.grace === 'none' ? 'with grace 0' : 'gracefully'}`;
    case 'cordon':
      return 'cordon a node until the next fault, and delete a consumer from it';
    case 'scale':
      return `scale to ${fault.consumers} consumers`;
  }
}

function shuffled<T>(list: readonly T[], below: (limit: number) => number): T[] {
  const left = [...list];
  return list.flatMap(() => left.splice(below(left.length), 1));
}
