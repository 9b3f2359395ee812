import { Worker } from 'node:worker_threads';
import { join } from 'node:path';
import type { Mutant } from './mutant.ts';
import type { Trial, Verdict } from './try-mutant.ts';

const file = join(import.meta.dirname, 'try-mutant.ts');

export interface Search {
  readonly from: number;
  readonly seeds: number;
  /** Of those that are covered by another rule; of their profiles only. */
  readonly coveredSeeds: number;
  readonly threads: number;
}

/** Tries every mutant, so many side by side; `told` hears of each as soon as it is over. */
export async function prove(
  mutants: readonly Mutant[],
  { from, seeds, coveredSeeds, threads }: Search,
  told: (mutant: Mutant, verdict: Verdict) => void,
): Promise<void> {
  const left = [...mutants];
  const trialOf = ({ name, coveredBy }: Mutant): Trial =>
    coveredBy === undefined ? { name, from, seeds, runsMax: seeds } : { name, from, seeds, runsMax: coveredSeeds };
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift())
      told(mutant, await tryInThread(trialOf(mutant)));
  };
  await Promise.all(Array.from({ length: threads }, work));
}

export function tryInThread(trial: Trial): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, { workerData: trial });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
