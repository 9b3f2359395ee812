import { nearestName } from '../../shared/config/nearest.ts';
import { main, Program, UsageError } from '../commands/program.ts';
import { runSuites } from './shell-mutants/run-suites.ts';
import { shellMutants } from './shell-mutants/shell-mutants.ts';
import { writeTable } from './shell-mutants/table.ts';

const unbroken = 'without a mutant';

export function program(): Program {
  return new Program('npm run shell-mutants --')
    .description(
      'Puts one bug after the other into a shell and runs the suite that has to see it. scripts/proof/shell-mutants/README.md says ' +
        'more.',
    )
    .argument('[MUTANT...]', 'names; all of them if absent')
    .option('--write', 'write the table of scripts/proof/shell-mutants/README.md, too')
    .examples('npm run shell-mutants', "npm run shell-mutants -- 'dry run that decides'")
    .runs<{ write?: boolean }>(prove);
}

async function prove({ write = false }: { write?: boolean }, names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !shellMutants.some((mutant) => mutant.name === name));
  if (unknown !== undefined) {
    const nearest = nearestName(
      unknown,
      shellMutants.map(({ name }) => name),
    );
    throw new UsageError(`Unknown mutant: ${unknown}${nearest === undefined ? '' : `; did you mean "${nearest}"?`}`);
  }
  if (write) writeTable();
  const chosen = names.length === 0 ? shellMutants : shellMutants.filter(({ name }) => names.includes(name));
  const startedAtMs = performance.now();
  const verdicts = await runSuites([
    { name: unbroken, suites: [...new Set(chosen.map(({ suite }) => suite))], patches: [] },
    ...chosen.map(({ name, suite, patches }) => ({ name, suites: [suite], patches })),
  ]);

  const faults: string[] = [];
  for (const [name, { passed, failed, broken }] of verdicts) {
    const isMutant = name !== unbroken;
    for (const reason of broken) faults.push(`${name}: its suite could not be run: ${reason}`);
    if (!isMutant) {
      console.log(`${passed} tests pass without a mutant.`);
      for (const test of failed) faults.push(`"${test}" fails without a mutant.`);
    } else if (failed.length === 0) {
      const suite = chosen.find((mutant) => mutant.name === name)?.suite;
      faults.push(`"${name}" survives: ${suite} does not see it.`);
    } else console.log(`${name}: found by "${failed[0]}"${failed.length > 1 ? ` and ${failed.length - 1} more` : ''}`);
  }
  for (const fault of faults) console.error(fault);
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(0);
  console.log(`${chosen.length} mutants in ${seconds} s, ${faults.length} faults.`);
  return faults.length === 0 ? 0 : 1;
}

if (import.meta.main) await main(program());
