import { Worker } from 'node:worker_threads';
import { join } from 'node:path';
import type { Mutant } from './mutant.ts';
import type { Trial, Verdict } from './try-mutant.ts';

const file = join(import.meta.dirname, 'try-mutant.ts');

/** Tries every mutant, so many side by side; `told` hears of each as soon as it is over. */
export async function prove(
  mutants: readonly Mutant[],
  { from, seeds, threads }: { readonly from: number; readonly seeds: number; readonly threads: number },
  told: (mutant: Mutant, verdict: Verdict) => void,
): Promise<void> {
  const left = [...mutants];
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift())
      told(mutant, await tryInThread({ name: mutant.name, from, seeds }));
  };
  await Promise.all(Array.from({ length: threads }, work));
}

function tryInThread(trial: Trial): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, { workerData: trial });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
