import { join } from 'node:path';
import { Child } from '../child.ts';
import type { Stretch, StretchDone } from '../seed-process.ts';
import type { Mutant } from './mutant.ts';
import type { Trial, Verdict } from './try-mutant.ts';

const file = join(import.meta.dirname, 'try-mutant.ts');
const withoutMutant = join(import.meta.dirname, '../seed-process.ts');

export interface Proof extends Verdict {
  /** The seed fails without the mutant as well, so it proves nothing. */
  readonly failsAnyway: boolean;
}

export interface Search {
  readonly from: number;
  readonly seeds: number;
  /** Of those that are covered by another rule; of their profiles only. */
  readonly coveredSeeds: number;
  readonly processes: number;
  /** Where a mutant was found the last time, to begin with. */
  readonly knownSeeds?: ReadonlyMap<string, number>;
}

/** Tries every mutant, so many side by side; `told` hears of each as soon as it is over. */
export async function prove(
  mutants: readonly Mutant[],
  { from, seeds, coveredSeeds, processes, knownSeeds = new Map() }: Search,
  told: (mutant: Mutant, proof: Proof) => void,
): Promise<void> {
  const left = [...mutants];
  const trialOf = ({ name, coveredBy }: Mutant): Trial => {
    const first = knownSeeds.get(name);
    const runsMax = coveredBy === undefined ? seeds : coveredSeeds;
    return { name, from, seeds, runsMax, ...(first === undefined ? {} : { first }) };
  };
  const work = async (): Promise<void> => {
    const intact = new Child<Stretch, StretchDone>(withoutMutant);
    const isFailing = async (seed: number): Promise<boolean> =>
      (await intact.ask({ from: seed, seeds: 1 })).failedSeed !== undefined;
    try {
      for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
        const verdict = await tryMutant(trialOf(mutant));
        told(mutant, { ...verdict, failsAnyway: verdict.found !== undefined && (await isFailing(verdict.found.seed)) });
      }
    } finally {
      intact.end();
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
}

/** In a process of its own, since a process that has loaded its modules cannot be patched any more. */
export async function tryMutant(trial: Trial): Promise<Verdict> {
  const child = new Child<Trial, Verdict>(file);
  try {
    return await child.ask(trial);
  } finally {
    child.end();
  }
}
