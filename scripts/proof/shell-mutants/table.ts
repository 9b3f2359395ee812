import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shellMutants } from './shell-mutants.ts';

const readme = join(import.meta.dirname, 'README.md');
const [begin, end] = ['<!-- mutants: begin -->', '<!-- mutants: end -->'];

/** All of them, with the rule that each breaks and the suite that sees it. */
export function writeTable(): void {
  const text = readFileSync(readme, 'utf8');
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${readme} has no place for the table.`);
  const rows = shellMutants.map(({ name, rule, suite }) => `| ${name} | ${rule} | \`${suite}\` |`);
  const table = ['| mutant | rule (number: in ARCHITECTURE.md) | suite |', '| --- | --- | --- |', ...rows];
  writeFileSync(readme, [before + begin, '', ...table, '', end + after].join('\n'));
}
