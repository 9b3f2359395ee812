import { main, Program, valueOf } from '../commands/program.ts';
import { type Outcome, sum } from './check/outcome.ts';
import { runStage } from './check/run-stage.ts';
import { groupsOf, type Stage, stages } from './check/stages.ts';

const names = stages.map(({ name }) => name);
const longestName = Math.max(...names.map(({ length }) => length));
const stageNamed = valueOf(`one of ${names.join(', ')}`, (name) => stages.find((stage) => stage.name === name));

export function program(): Program {
  return new Program('./scripts/test')
    .description(
      'Runs every stage, also after one that failed, or those that are named. Tells what each one did and how long it took; the ' +
        'last line is the sum. Exits with 1 if anything failed.',
    )
    .option(
      '--stage <NAME>',
      `one of them: ${names.join(', ')}; may be given several times`,
      (text, before: readonly Stage[] | undefined) => [...(before ?? []), stageNamed(text)],
    )
    .examples('./scripts/test', './scripts/test --stage unit --stage types')
    .runs<{ stage?: readonly Stage[] }>(({ stage }) =>
      check(stage === undefined ? stages : stages.filter((one) => stage.includes(one))),
    );
}

async function check(selected: readonly Stage[]): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      console.error(`${signal}: ending what runs, with its brokers and folders.`);
      stopping.abort();
    });
  }

  const outcomes: Outcome[] = [];
  const lines: string[] = [];
  const report = async (stage: Stage, print: (line: string) => void): Promise<void> => {
    console.log(`\n== ${stage.name}: ${stage.command.join(' ')}`);
    const startedAt = performance.now();
    const outcome = await runStage(stage, stopping.signal, print);
    outcomes.push(outcome);
    lines.push(lineOf(stage, outcome, (performance.now() - startedAt) / 1_000));
    console.log(lines.at(-1));
  };
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
  return failed === 0 && !stopping.signal.aborted ? 0 : 1;
}

function lineOf({ name }: Stage, { passed, failed, skipped }: Outcome, seconds: number): string {
  const skips = skipped === 0 ? '' : `, ${skipped} skipped`;
  return `== ${name}: ${passed} passed, ${failed} failed${skips}, ${seconds.toFixed(1)} s`;
}

if (import.meta.main) await main(program());
