import { applyPatches } from '../../patch/patch.ts';
import { Random } from '../random.ts';
import { profileNames } from '../profile.ts';
import type { runSeed as RunSeed } from '../run.ts';
import type { shrinkSeed as ShrinkSeed } from '../failure.ts';
import type { Shrunk } from '../shrink.ts';
import type { Mutant } from './mutant.ts';
import { mutantNamed } from './mutants.ts';

/** Runs in a process of its own: one mutant, seed by seed, until the checker finds something. */
export interface Trial {
  readonly name: string;
  readonly from: number;
  readonly seeds: number;
  /** Seeds of its profiles. */
  readonly runsMax: number;
  /** Tried before all others: it was found there the last time. */
  readonly first?: number;
  /** Look for a shorter schedule of the seed that fails. */
  readonly shrink?: boolean;
}

export interface Verdict {
  readonly name: string;
  readonly seedsRun: number;
  /** Absent: nothing was found. */
  readonly found?: { readonly seed: number; readonly violation: string; readonly shrunk?: Shrunk };
}

process.once('message', (trial: Trial) => void run(trial));

async function run(trial: Trial): Promise<void> {
  const mutant = mutantNamed(trial.name);
  applyPatches(mutant.patches);
  // Only now, so that they are loaded with the patches.
  const { runSeed } = await import('../run.ts');
  const { shrinkSeed } = await import('../failure.ts');
  process.send?.(tryMutant(trial, mutant, runSeed, shrinkSeed));
}

function tryMutant(
  { name, from, seeds, runsMax, first, shrink }: Trial,
  mutant: Mutant,
  runSeed: typeof RunSeed,
  shrinkSeed: typeof ShrinkSeed,
): Verdict {
  let seedsRun = 0;
  for (const seed of seedsOf(from, seeds, first)) {
    if (seedsRun === runsMax) break;
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

function* seedsOf(from: number, seeds: number, first: number | undefined): Generator<number> {
  if (first !== undefined) yield first;
  for (let seed = from; seed < from + seeds; seed++) if (seed !== first) yield seed;
}

/** What a seed's profile is called, without drawing the rest of its schedule. */
function profileOf(seed: number) {
  return new Random(seed).fork().pick(profileNames);
}
