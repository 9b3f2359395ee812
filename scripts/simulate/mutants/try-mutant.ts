import { parentPort, workerData } from 'node:worker_threads';
import { Random } from '../random.ts';
import { profileNames } from '../profile.ts';
import type { Shrunk } from '../shrink.ts';
import { mutantNamed } from './mutants.ts';
import { patchModules } from './patch-modules.ts';

/** Runs in a thread of its own: one mutant, seed by seed, until the checker finds something. */
export interface Trial {
  readonly name: string;
  readonly from: number;
  readonly seeds: number;
  /** Seeds of its profiles. */
  readonly runsMax: number;
  /** Look for a shorter schedule of the seed that fails. */
  readonly shrink?: boolean;
}

export interface Verdict {
  readonly name: string;
  readonly seedsRun: number;
  /** Absent: nothing was found. */
  readonly found?: { readonly seed: number; readonly violation: string; readonly shrunk?: Shrunk };
}

const { name, from, seeds, runsMax, shrink } = workerData as Trial;
const mutant = mutantNamed(name);
patchModules(mutant);
const { runSeed } = await import('../run.ts');
const { shrinkSeed } = await import('../failure.ts');
parentPort?.postMessage(tryMutant());

function tryMutant(): Verdict {
  let seedsRun = 0;
  for (let seed = from; seed < from + seeds && seedsRun < runsMax; seed++) {
    if (mutant.profiles !== undefined && !mutant.profiles.includes(profileOf(seed))) continue;
    seedsRun++;
    const violations = runSeed(seed, { trace: false }).violations;
    const violation = violations.find((sentence) => sentence.includes(mutant.expects ?? ''));
    if (violation === undefined) continue;
    const found = { seed, violation };
    return { name, seedsRun, found: shrink === true ? { ...found, shrunk: shrinkSeed(seed) } : found };
  }
  return { name, seedsRun };
}

/** What a seed's profile is called, without drawing the rest of its schedule. */
function profileOf(seed: number) {
  return new Random(seed).fork().pick(profileNames);
}
