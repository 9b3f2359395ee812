import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { patchedFile } from '../../patch/patch.ts';
import { tablesOf } from '../../check/markdown.ts';
import { mutants } from './mutants.ts';
import { tryMutant } from './prove.ts';

const root = join(import.meta.dirname, '../../../..');
const named = mutants.map((mutant) => [mutant.name, mutant] as const);

describe('mutants', () => {
  it.each(named)('%s: every place that it changes is there exactly once', (_, { patches }) => {
    for (const file of new Set(patches.map((patch) => patch.file))) {
      expect(patchedFile(file, patches)).not.toBe(readFileSync(join(root, file), 'utf8'));
    }
  });

  it('have names of their own, which stand in a table and on the command line', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    for (const { name, rule, coveredBy = '' } of mutants) expect(name + rule + coveredBy).not.toMatch(/[|\n]/);
  });

  it('are those of the README, rule by rule: npm run simulate -- --mutants --write', () => {
    const tables = tablesOf(readFileSync(join(root, 'scripts/proof/simulate/README.md'), 'utf8'));
    const rows = tables.find(({ header }) => header[0] === 'mutant')?.rows ?? [];
    expect(rows.map(([name, rule]) => [name, rule])).toEqual(mutants.map(({ name, rule }) => [name, rule]));
    const proven = rows.map(([, , seed, result]) => [seed !== '', result?.startsWith('nothing in') === false]);
    expect(proven).toEqual(mutants.map(({ coveredBy }) => [coveredBy === undefined, coveredBy === undefined]));
  });

  it('run in a process of their own, and what fails there is made shorter', { timeout: 60_000 }, async () => {
    const trial = {
      name: 'covered message acked while its set is pending',
      from: 3,
      seeds: 50,
      runsMax: 50,
      shrink: true,
    };
    const { found } = await tryMutant(trial);
    expect(found?.violation).toContain('was acked while set');
    // Two requests at most: a message, and something that has it delivered again.
    expect(found?.shrunk?.cut.requests.length).toBeLessThanOrEqual(2);
    expect(found?.shrunk?.cut.faults.length).toBeLessThanOrEqual(2);
    expect(found?.shrunk?.runs).toBeGreaterThan(5);
  });
});
