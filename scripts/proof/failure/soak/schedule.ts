import { seededRandom } from '../../../lab/load/random.ts';

/**
 * What goes wrong in a soak and when: the same for the same seed and duration. Every kind comes once before any comes again.
 */
export interface PlannedFault {
  readonly kind: FaultKind;
  /** From the start of the load. */
  readonly atMs: number;
  /** Until it is over, for what lasts; for what is killed, until it is started again. */
  readonly lastsMs: number;
  /** Whom of several it concerns, 0 to 1, and which of their connections. */
  readonly place: number;
  readonly link: number;
}

export type FaultKind = keyof typeof lastsS;

/** Least and most seconds. Freezes are shorter and longer than a lease. */
const lastsS = {
  'kill-publisher': [0, 3],
  'freeze-publisher': [1, 5],
  'kill-consumer': [0, 3],
  'freeze-consumer': [1, 6],
  'kill-broker': [0, 2],
  'freeze-broker': [1, 4],
  'kill-redis': [0, 2],
  'freeze-redis': [1, 4],
  'cut-link': [1, 5],
  'stall-link': [1, 6],
  'reset-link': [0, 0],
  'half-open-link': [0, 0],
  'lost-answers': [0.1, 1],
  'failing-provider': [2, 6],
  'slow-provider': [2, 6],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

export const faultKinds = Object.keys(lastsS) as readonly FaultKind[];

/** Between one fault and the next. */
const gapS = [2, 5] as const;
/** Before the first fault, so that there is something to lose, and after the last one. */
const calmS = 5;

export function drawSchedule(seed: number, durationMs: number): readonly PlannedFault[] {
  const random = seededRandom(seed);
  const between = ([least, most]: readonly [number, number]): number =>
    Math.round(1_000 * (least + random() * (most - least)));
  const planned: PlannedFault[] = [];
  let bag: FaultKind[] = [];
  let atMs = calmS * 1_000;
  while (atMs < durationMs - calmS * 1_000) {
    if (bag.length === 0) bag = [...faultKinds];
    const [kind] = bag.splice(Math.floor(random() * bag.length), 1);
    if (kind === undefined) throw new Error('the bag was just filled');
    planned.push({ kind, atMs, lastsMs: between(lastsS[kind]), place: random(), link: random() });
    atMs += between(gapS);
  }
  return planned;
}
