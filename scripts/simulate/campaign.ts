import { Worker } from 'node:worker_threads';
import { join } from 'node:path';
import type { Stretch, StretchDone } from './seed-thread.ts';
import { Summary } from './summary.ts';

export interface Campaign {
  readonly from: number;
  /** Seeds that are run at any rate … */
  readonly seeds: number;
  /** … as long as that takes no longer than this. */
  readonly longestMs: number;
  /** More of them are run until so much time has passed. */
  readonly leastMs: number;
  readonly threads: number;
}

export interface CampaignResult {
  readonly summary: Summary;
  readonly elapsedMs: number;
  readonly failedSeed: number | undefined;
}

/** Small enough that the threads end at about the same time, large enough that messages between them do not matter. */
const stretchSeeds = 25;
const file = join(import.meta.dirname, 'seed-thread.ts');

/** Runs seeds in several threads until there are enough, the time is over, or one of them violates something. */
export async function runCampaign({ from, seeds, longestMs, leastMs, threads }: Campaign): Promise<CampaignResult> {
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
    const worker = new Worker(file);
    try {
      for (let stretch = nextStretch(); stretch !== undefined; stretch = nextStretch()) {
        const done = await runStretch(worker, stretch);
        summary.add(done);
        if (done.failedSeed !== undefined) failed.push(done.failedSeed);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  const failedSeed = failed.length === 0 ? undefined : Math.min(...failed);
  return { summary, elapsedMs: performance.now() - startedAtMs, failedSeed };
}

function runStretch(worker: Worker, stretch: Stretch): Promise<StretchDone> {
  const { promise, resolve, reject } = Promise.withResolvers<StretchDone>();
  const ended = (code: number): void => reject(new Error(`A thread of the simulation ended with code ${code}.`));
  worker.once('message', resolve);
  worker.once('error', reject);
  worker.once('exit', ended);
  worker.postMessage(stretch);
  return promise.finally(() => {
    worker.off('message', resolve);
    worker.off('error', reject);
    worker.off('exit', ended);
  });
}
