import { join } from 'node:path';
import { Child } from './child.ts';
import type { Stretch, StretchDone } from './seed-process.ts';
import { Summary } from './summary.ts';

export interface Campaign {
  readonly from: number;
  /** Seeds that are run at any rate … */
  readonly seeds: number;
  /** … as long as that takes no longer than this. */
  readonly longestMs: number;
  /** More of them are run until so much time has passed. */
  readonly leastMs: number;
  readonly processes: number;
}

export interface CampaignResult {
  readonly summary: Summary;
  readonly elapsedMs: number;
  readonly failedSeed: number | undefined;
}

/** Small enough that the processes end at about the same time, large enough that messages between them do not matter. */
const stretchSeeds = 25;
const file = join(import.meta.dirname, 'seed-process.ts');

/** Runs seeds in several processes until there are enough, the time is over, or one of them violates something. */
export async function runCampaign({ from, seeds, longestMs, leastMs, processes }: Campaign): Promise<CampaignResult> {
  const summary = new Summary();
  const startedAtMs = performance.now();
  const failed: number[] = [];
  let given = 0;
  const nextStretch = (): Stretch | undefined => {
    const elapsedMs = performance.now() - startedAtMs;
    if (failed.length > 0 || elapsedMs >= Math.max(longestMs, leastMs)) return undefined;
    const count = elapsedMs < leastMs ? stretchSeeds : Math.min(stretchSeeds, seeds - given);
    if (count <= 0) return undefined;
    given += count;
    return { from: from + given - count, seeds: count };
  };
  const work = async (): Promise<void> => {
    const child = new Child<Stretch, StretchDone>(file);
    try {
      for (let stretch = nextStretch(); stretch !== undefined; stretch = nextStretch()) {
        const done = await child.ask(stretch);
        summary.add(done);
        if (done.failedSeed !== undefined) failed.push(done.failedSeed);
      }
    } finally {
      child.end();
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
  const failedSeed = failed.length === 0 ? undefined : Math.min(...failed);
  return { summary, elapsedMs: performance.now() - startedAtMs, failedSeed };
}
