import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tablesOf } from '../../check/markdown.ts';
import { mutants } from './mutants.ts';
import { patched, root } from './patch-modules.ts';
import { tryMutant } from './prove.ts';

const named = mutants.map((mutant) => [mutant.name, mutant] as const);

describe('mutants', () => {
  it.each(named)('%s: every place that it changes is there exactly once', (name, { patches }) => {
    for (const file of new Set(patches.map((patch) => patch.file))) {
      const source = readFileSync(join(root, file), 'utf8');
      const own = patches.filter((patch) => patch.file === file);
      expect(patched(source, own, name)).not.toBe(source);
    }
  });

  it('have names of their own, which stand in a table and on the command line', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    for (const { name, rule, coveredBy = '' } of mutants) expect(name + rule + coveredBy).not.toMatch(/[|\n]/);
  });

  it('are those of the README, rule by rule: npm run simulate -- --mutants --write', () => {
    const tables = tablesOf(readFileSync(join(root, 'scripts/simulate/README.md'), 'utf8'));
    const rows = tables.find(({ header }) => header[0] === 'mutant')?.rows ?? [];
    expect(rows.map(([name, rule]) => [name, rule])).toEqual(mutants.map(({ name, rule }) => [name, rule]));
    const proven = rows.map(([, , seed, result]) => [seed !== '', result?.startsWith('nothing in') === false]);
    expect(proven).toEqual(mutants.map(({ coveredBy }) => [coveredBy === undefined, coveredBy === undefined]));
  });

  it('are refused when their place is gone, or is there twice', () => {
    const patch = { file: 'a.ts', find: 'one', replace: 'two' };
    expect(patched('one', [patch], 'm')).toBe('two');
    expect(() => patched('none', [{ ...patch, find: 'one ' }], 'm')).toThrow('0 times');
    expect(() => patched('one one', [patch], 'm')).toThrow('2 times');
  });

  it('run in a process of their own, and what fails there is made shorter', { timeout: 60_000 }, async () => {
    const trial = {
      name: 'covered message acked while its set is pending',
      from: 1,
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
