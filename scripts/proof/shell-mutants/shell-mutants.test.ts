import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tablesOf } from '../check/markdown.ts';
import { patchedFile } from '../patch/patch.ts';
import { shellMutants } from './shell-mutants.ts';

const root = join(import.meta.dirname, '../../..');
const named = shellMutants.map((mutant) => [mutant.name, mutant] as const);

describe('mutants of shells', () => {
  it.each(named)('%s: every place that it changes is there exactly once', (_, { patches }) => {
    for (const file of new Set(patches.map((patch) => patch.file)))
      expect(patchedFile(file, patches)).not.toBe(readFileSync(join(root, file), 'utf8'));
  });

  it.each(named)('%s: its suite is a unit test beside what it tests', (_, { suite }) => {
    expect(existsSync(join(root, suite)), suite).toBe(true);
    expect(suite).toMatch(/(?<!\.(integration|timed|container))\.test\.ts$/);
  });

  it('have names of their own, and stand in the README with their rule and suite', () => {
    expect(new Set(shellMutants.map(({ name }) => name)).size).toBe(shellMutants.length);
    const tables = tablesOf(readFileSync(join(import.meta.dirname, 'README.md'), 'utf8'));
    const rows = tables.find(({ header }) => header[0] === 'mutant')?.rows ?? [];
    const stated = shellMutants.map(({ name, rule, suite }) => [name, rule, `\`${suite}\``]);
    expect(rows).toEqual(stated);
  });
});
