import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mutant } from './mutant.ts';
import { mutantNamed, mutants } from './mutants.ts';
import { type Proof, prove } from './prove.ts';

/** As many as CI runs at least; of a rule that another one covers, fewer, since nothing is to be found. */
export const ciSeeds = 20_000;
const coveredSeeds = 600;
const readme = join(import.meta.dirname, '../README.md');
const [begin, end] = ['<!-- mutants: begin -->', '<!-- mutants: end -->'];
const violationShown = 130;

export interface Row {
  readonly mutant: Mutant;
  readonly proof: Proof;
}

/** Tries all mutants, or those that are named, and prints the table. 1 when one of them does not end as it should. */
export async function proveAll(options: {
  readonly names: readonly string[];
  readonly processes: number;
  readonly write: boolean;
  readonly seeds: number;
  /** Absent: seed 1, but first the seed that the table names. */
  readonly from?: number | undefined;
}): Promise<number> {
  const chosen = options.names.length === 0 ? mutants : options.names.map(mutantNamed);
  const rows: Row[] = [];
  const startedAtMs = performance.now();
  await prove(
    chosen,
    {
      from: options.from ?? 1,
      seeds: options.seeds,
      coveredSeeds,
      processes: options.processes,
      // What the table says is looked at first; what is written to the table is the first seed of all.
      ...(options.write || options.from !== undefined ? {} : { knownSeeds: seedsInTable() }),
    },
    (mutant, proof) => {
      const row = { mutant, proof };
      rows.push(row);
      console.log(`${isRight(row) ? '' : 'NOT AS IT SHOULD BE: '}${mutant.name}: ${resultOf(row)}`);
      // At once, so that a search that is ended too early was not for nothing.
      if (options.write && isRight(row)) writeRow(row);
    },
  );
  rows.sort((left, right) => chosen.indexOf(left.mutant) - chosen.indexOf(right.mutant));
  console.log(['', ...head, ...rows.map(lineOf)].join('\n'));
  const wrong = rows.filter((row) => !isRight(row));
  console.log(
    `${rows.length} mutants in ${((performance.now() - startedAtMs) / 1000).toFixed(0)} s: ` +
      `${rows.filter(({ proof }) => proof.found !== undefined).length} found out, ${wrong.length} not as they should be.`,
  );
  for (const row of wrong) console.log(adviceOn(row));
  return wrong.length === 0 ? 0 : 1;
}

const head = [
  '| mutant | rule (number: in ARCHITECTURE.md) | first failing seed | violation |',
  '| --- | --- | --- | --- |',
];

function lineOf(row: Row): string {
  const { name, rule } = row.mutant;
  return `| ${name} | ${rule} | ${row.proof.found?.seed ?? ''} | ${resultOf(row)} |`;
}

function isRight({ mutant, proof }: Row): boolean {
  return !proof.failsAnyway && (proof.found === undefined) === (mutant.coveredBy !== undefined);
}

function resultOf({ mutant, proof }: Row): string {
  if (proof.found !== undefined) return shortened(proof.found.violation);
  const nothing = `nothing in ${proof.seedsRun} seeds`;
  return mutant.coveredBy === undefined ? nothing : `${nothing}: covered by ${mutant.coveredBy}`;
}

function adviceOn({ mutant: { name, coveredBy }, proof }: Row): string {
  if (proof.failsAnyway)
    return `Seed ${proof.found?.seed} fails without "${name}" as well: npm run simulate -- --seed ${proof.found?.seed}. Mend that first.`;
  return coveredBy === undefined
    ? `"${name}" survives: the simulation has a hole there, or the rule is not needed. Find out which.`
    : `"${name}" was found out, although it is said to be covered by ${coveredBy}: say which of the two is wrong.`;
}

/** One line, without what differs from run to run of the same bug. */
function shortened(violation: string): string {
  const line = violation.split('\n')[0]?.replaceAll('|', '\\|') ?? '';
  return line.length <= violationShown ? line : `${line.slice(0, violationShown)} …`;
}

interface Table {
  readonly before: string;
  /** Each row by the name of its mutant. */
  readonly lines: Map<string, string>;
  readonly after: string;
}

function readTable(): Table {
  const text = readFileSync(readme, 'utf8');
  const [before, rest] = text.split(begin);
  const [table, after] = rest?.split(end) ?? [];
  if (before === undefined || table === undefined || after === undefined)
    throw new Error(`${readme} has no place for the table.`);
  const lines = new Map(table.split('\n').map((line) => [line.split('|')[1]?.trim() ?? '', line]));
  return { before, lines, after };
}

function seedsInTable(): ReadonlyMap<string, number> {
  const cells = [...readTable().lines].map(([name, line]) => [name, Number(line.split('|')[3])] as const);
  return new Map(cells.filter(([, seed]) => Number.isInteger(seed) && seed > 0));
}

/** All other rows stay as they are. */
function writeRow(row: Row): void {
  const { before, lines, after } = readTable();
  lines.set(row.mutant.name, lineOf(row));
  const kept = mutants.flatMap(({ name }) => lines.get(name) ?? []);
  writeFileSync(readme, [before + begin, '', ...head, ...kept, '', end + after].join('\n'));
}
