import { runSeed, type RunResult } from './run.ts';
import { type Cut, drawSchedule } from './drawing/schedule.ts';
import { cutOptions, type FullCut, fullCut, shrink } from './shrink.ts';

/** What a person gets to see of a seed that fails. */
const traceLinesShown = 120;
const shrinkRunsMax = 1_000;
const shrinkMs = 60_000;

/** Runs one seed, prints all that happened in it, and tells whether everything was right. */
export function printRun(seed: number, cut: Cut): boolean {
  const result = runSeed(seed, { trace: true, cut });
  console.log(result.trace.join('\n'));
  const { name, shards, consumers, publishers, leaseMs } = result.profile;
  console.log(
    `Seed ${seed}: profile ${name}, ${shards} shards, ${consumers} consumers and ${publishers} publishers at first, lease ${leaseMs} ms.`,
  );
  if (result.violations.length === 0) console.log('Nothing was violated.');
  else printViolations(result);
  return result.violations.length === 0;
}

/** Looks for a shorter schedule that fails as well, and prints how it goes. */
export function explainFailure(seed: number): void {
  printViolations(runSeed(seed, { trace: false }));
  const { cut, runs } = shrinkSeed(seed);
  const { trace, violations, profile } = runSeed(seed, { trace: true, cut });
  console.log(`\nThe shortest schedule of it that was found in ${runs} runs fails, too:`);
  console.log(scheduleText(seed, cut));
  console.log(trace.slice(-traceLinesShown).join('\n'));
  printViolations({ seed, profile, violations });
  console.log(`\nAll that happened: npm run simulate -- --seed ${seed}`);
  console.log(`The short one:     npm run simulate -- --seed ${seed} ${cutOptions(cut)}`);
}

export function shrinkSeed(seed: number): { readonly cut: FullCut; readonly runs: number } {
  const untilMs = performance.now() + shrinkMs;
  return shrink(fullCut(drawSchedule(seed)), (cut) => runSeed(seed, { trace: false, cut }).violations.length > 0, {
    runsMax: shrinkRunsMax,
    mayGoOn: () => performance.now() < untilMs,
  });
}

function scheduleText(seed: number, cut: FullCut): string {
  const { faults, requests, profile } = drawSchedule(seed, cut);
  const lines = faults.map(({ kind, atMs }) => `  ${kind} at ${(atMs / 1000).toFixed(4)}`);
  return [
    `  ${profile.name}: ${requests.length} requests and ${faults.length} faults within ${(profile.activeMs / 1000).toFixed(1)} s` +
      (cut.rates.length === 0 ? '' : `, and by chance: ${cut.rates.join(', ')}`),
    ...lines,
  ].join('\n');
}

function printViolations({ seed, profile, violations }: Pick<RunResult, 'seed' | 'profile' | 'violations'>): void {
  for (const violation of violations) console.log(`VIOLATED by seed ${seed} (profile ${profile.name}): ${violation}`);
}
