import { runSeed } from './run.ts';

/** Runs seeds for `campaign.ts`, a stretch at a time, in a process of its own. */
export interface Stretch {
  readonly from: number;
  readonly seeds: number;
}

export interface StretchDone {
  readonly seeds: number;
  readonly virtualMs: number;
  readonly steps: number;
  readonly tally: readonly (readonly [what: string, times: number])[];
  /** The first seed that violated something; those after it were not run. */
  readonly failedSeed: number | undefined;
}

process.on('message', ({ from, seeds }: Stretch) => {
  const tally = new Map<string, number>();
  let [virtualMs, steps, ran] = [0, 0, 0];
  let failedSeed: number | undefined;
  for (let seed = from; seed < from + seeds && failedSeed === undefined; seed++) {
    const result = runSeed(seed, { trace: false });
    for (const [what, times] of result.tally.entries()) tally.set(what, (tally.get(what) ?? 0) + times);
    virtualMs += result.virtualMs;
    steps += result.steps;
    ran++;
    if (result.violations.length > 0) failedSeed = seed;
  }
  const done: StretchDone = { seeds: ran, virtualMs, steps, tally: [...tally], failedSeed };
  process.send?.(done);
});
