/**
 * Runs every stage of `scripts/proof/check/stages.ts`, also after one that failed, or those that `--stage NAME` names. Tells
 * what each one did and how long it took; the last line is the sum. Exits with 1 if anything failed.
 */
import { parseArgs } from 'node:util';
import { type Outcome, sum } from './check/outcome.ts';
import { runStage } from './check/run-stage.ts';
import { groupsOf, type Stage, stages } from './check/stages.ts';

const longestName = Math.max(...stages.map(({ name }) => name.length));
const selected = stagesOf(process.argv.slice(2));
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    console.error(`${signal}: ending what runs, with its brokers and folders.`);
    stopping.abort();
  });
}

const outcomes: Outcome[] = [];
const lines: string[] = [];
for (const group of groupsOf(selected)) {
  const waiting = [...group];
  const isShared = group.length > 1;
  const work = async (): Promise<void> => {
    for (let stage = waiting.shift(); stage !== undefined && !stopping.signal.aborted; stage = waiting.shift()) {
      const prefix = isShared ? `${stage.name.padEnd(longestName)} | ` : '';
      await report(stage, (line) => console.log(`${prefix}${line}`));
    }
  };
  await Promise.all([work(), work()]);
}

const { passed, failed, causes } = sum(outcomes);
if (causes.length > 0) console.log(`\nWhat failed:\n\n${causes.join('\n\n')}`);
console.log(
  `\n${lines.join('\n')}\n${stopping.signal.aborted ? 'Interrupted.\n' : ''}\n${passed} passed, ${failed} failed`,
);
process.exitCode = failed === 0 && !stopping.signal.aborted ? 0 : 1;

async function report(stage: Stage, print: (line: string) => void): Promise<void> {
  console.log(`\n== ${stage.name}: ${stage.command.join(' ')}`);
  const startedAt = performance.now();
  const outcome = await runStage(stage, stopping.signal, print);
  outcomes.push(outcome);
  lines.push(lineOf(stage, outcome, (performance.now() - startedAt) / 1_000));
  console.log(lines.at(-1));
}

function lineOf({ name }: Stage, { passed, failed, skipped }: Outcome, seconds: number): string {
  const skips = skipped === 0 ? '' : `, ${skipped} skipped`;
  return `== ${name}: ${passed} passed, ${failed} failed${skips}, ${seconds.toFixed(1)} s`;
}

function stagesOf(args: readonly string[]): readonly Stage[] {
  const names = stages.map(({ name }) => name);
  const { values } = parseArgs({ args: [...args], options: { stage: { type: 'string', multiple: true } } });
  const unknown = values.stage?.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`There is no stage ${unknown}; there are ${names.join(', ')}.`);
  return values.stage === undefined ? stages : stages.filter(({ name }) => values.stage?.includes(name));
}
