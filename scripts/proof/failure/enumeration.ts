import { seededRandom } from '../../lab/load/random.ts';
import { type Case, cases, faultName, faults, timesMax, whyNot } from './points/faults.ts';
import type { Ground } from './ground.ts';
import { pointNames, points } from './points/points.ts';
import { describeTimes } from './recovery.ts';
import { type CaseOutcome, runCase } from './run-case.ts';
import { describe, isExact, sum, type Verdict } from './verdict.ts';

const differencesShown = 5;

/** Runs one case after the other, also after one that failed. True if all of them are exact. */
export async function runCases(
  ground: Ground,
  { cases: selected, seed, which }: { readonly cases: readonly Case[]; readonly seed: number; readonly which: string },
  say: (text: string) => void,
): Promise<boolean> {
  say(`${selected.length} of ${cases.length} cases (${which} --seed ${seed})`);
  const verdicts: Verdict[] = [];
  const recoveriesMs: number[] = [];
  const failed: string[] = [];
  for (const [index, one] of selected.entries()) {
    const time = timeOf(one, seed);
    const startedAt = performance.now();
    const outcome = await runCase(ground, one, time).catch((error: unknown): CaseOutcome => {
      return { failure: `the cluster could not be started, or not be cleared away: ${String(error)}` };
    });
    const name = `--point ${one.point} --fault ${faultName(one.fault)}`;
    say(`[${index + 1}/${selected.length}] ${lineOf(one, time, outcome, (performance.now() - startedAt) / 1_000)}`);
    if (outcome.verdict !== undefined) verdicts.push(outcome.verdict);
    if (outcome.recoveryMs !== undefined) recoveriesMs.push(outcome.recoveryMs);
    if (!isGood(outcome)) failed.push(name);
  }
  say(
    [
      '',
      describe(sum(verdicts)),
      `recovery: ${describeTimes(recoveriesMs)}`,
      `${selected.length - failed.length} cases exact, ${failed.length} not`,
      ...failed.map((name) => `  ./scripts/chaos ${name} --seed ${seed}`),
    ].join('\n'),
  );
  return failed.length === 0;
}

/** The same for the same seed, whatever else is run. */
function timeOf({ point, fault }: Case, seed: number): number {
  const number = cases.findIndex((one) => one.point === point && faultName(one.fault) === faultName(fault));
  return 1 + Math.floor(seededRandom(seed * 1_000 + number)() * timesMax(points[point].comesWith));
}

function isGood({ verdict, failure }: CaseOutcome): boolean {
  return failure === undefined && verdict !== undefined && isExact(verdict);
}

function lineOf({ point, fault }: Case, time: number, outcome: CaseOutcome, tookS: number): string {
  const { verdict, recoveryMs, failure, complaints } = outcome;
  const what = `${point.padEnd(19)} ${faultName(fault).padEnd(16)} time ${time}`;
  const parts = [what, isGood(outcome) ? 'exact' : 'WRONG'];
  if (verdict !== undefined) parts.push(describe(verdict));
  if (recoveryMs !== undefined) parts.push(`recovered in ${Math.round(recoveryMs)} ms`);
  parts.push(`${tookS.toFixed(1)} s`);
  const more = [
    ...(verdict?.differences ?? [])
      .slice(0, differencesShown)
      .map(({ customer, meter, owed, billed }) => `    ${customer} ${meter}: owed ${owed}, billed ${billed}`),
    ...(failure === undefined ? [] : [`    ${failure}`]),
    ...(complaints === undefined ? [] : [complaints]),
  ];
  return [parts.join('  '), ...more].join('\n');
}

/** Every point with every fault: a case, or why it is none. */
export function listCases(): string {
  const lines = pointNames.flatMap((name) => {
    const { process, comesWith } = points[name];
    return [
      `${name} (${process}, with ${comesWith})`,
      ...faults.map((fault) => {
        const reason = whyNot(points[name], fault);
        return `  ${reason === undefined ? faultName(fault) : `${faultName(fault).padEnd(16)} no: ${reason}`}`;
      }),
    ];
  });
  return [...lines, '', `${cases.length} cases`, ''].join('\n');
}
