/**
 * Puts one bug after the other into a shell and runs the suite that has to see it. scripts/proof/shell-mutants/README.md says more.
 *
 *   node scripts/proof/shell-mutants.ts              all of them
 *   node scripts/proof/shell-mutants.ts NAME …       these
 *   node scripts/proof/shell-mutants.ts --write      all of them, and the table of scripts/proof/shell-mutants/README.md
 */
import { parseArgs } from 'node:util';
import { runSuites } from './shell-mutants/run-suites.ts';
import { shellMutants } from './shell-mutants/shell-mutants.ts';
import { writeTable } from './shell-mutants/table.ts';

const unbroken = 'without a mutant';
const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'boolean', default: false } },
});
if (values.write) writeTable();
const unknown = names.find((name) => !shellMutants.some((mutant) => mutant.name === name));
if (unknown !== undefined) {
  console.error(`There is no mutant ${JSON.stringify(unknown)}; there are:`);
  for (const { name } of shellMutants) console.error(`  ${name}`);
  process.exit(64);
}
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
process.exitCode = faults.length === 0 ? 0 : 1;
