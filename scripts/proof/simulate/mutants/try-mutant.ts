import { applyPatches } from '../../patch/patch.ts';
import { Random } from '../time/random.ts';
import type { Profile } from '../drawing/profile.ts';
import type { Shrunk } from '../shrink.ts';
import type { Mutant } from './mutant.ts';
import { mutantNamed } from './mutants.ts';

/** Runs in a process of its own: one mutant, seed by seed, until the checker finds something. */
export interface Trial {
  readonly name: string;
  readonly from: number;
  readonly seeds: number;
  /** Seeds of its profiles, or of its coincidence. */
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

/** Only now, so that they are loaded with the patches. */
async function loadSimulation() {
  const { drawProfile } = await import('../drawing/draw-profile.ts');
  const { runSeed } = await import('../run.ts');
  const { shrinkSeed } = await import('../failure.ts');
  return { drawProfile, runSeed, shrinkSeed };
}

type Simulation = Awaited<ReturnType<typeof loadSimulation>>;

async function run(trial: Trial): Promise<void> {
  const mutant = mutantNamed(trial.name);
  applyPatches(mutant.patches);
  process.send?.(tryMutant(trial, mutant, await loadSimulation()));
}

function tryMutant(
  { name, from, seeds, runsMax, first, shrink }: Trial,
  mutant: Mutant,
  { drawProfile, runSeed, shrinkSeed }: Simulation,
): Verdict {
  let seedsRun = 0;
  for (const seed of seedsOf(from, seeds, first)) {
    if (seedsRun === runsMax) break;
    // Drawn without the rest of its schedule.
    if (!mayShow(mutant, drawProfile(new Random(seed).fork()))) continue;
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

function mayShow({ profiles, coincidence }: Mutant, profile: Profile): boolean {
  if (coincidence !== undefined && profile.coincidence !== coincidence) return false;
  return profiles === undefined || profiles.includes(profile.name);
}
