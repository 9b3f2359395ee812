import { parentPort, workerData } from 'node:worker_threads';
import { Random } from '../random.ts';
import { profileNames } from '../profile.ts';
import { mutantNamed } from './mutants.ts';
import { patchModules } from './patch-modules.ts';

/** Runs in a thread of its own: one mutant, seed by seed, until the checker finds something. */
export interface Trial {
  readonly name: string;
  readonly from: number;
  readonly seeds: number;
}

export interface Verdict {
  readonly name: string;
  readonly seedsRun: number;
  /** Absent: nothing was found. */
  readonly found?: { readonly seed: number; readonly violation: string };
}

const { name, from, seeds } = workerData as Trial;
const mutant = mutantNamed(name);
patchModules(mutant);
const { runSeed } = await import('../run.ts');
parentPort?.postMessage(tryMutant());

function tryMutant(): Verdict {
  let seedsRun = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    if (mutant.profiles !== undefined && !mutant.profiles.includes(profileOf(seed))) continue;
    seedsRun++;
    const [violation] = runSeed(seed, { trace: false }).violations;
    if (violation !== undefined) return { name, seedsRun, found: { seed, violation } };
  }
  return { name, seedsRun };
}

/** What a seed's profile is called, without drawing the rest of its schedule. */
function profileOf(seed: number) {
  return new Random(seed).fork().pick(profileNames);
}
