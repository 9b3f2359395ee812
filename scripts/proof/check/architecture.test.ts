/** Whoever cites an invariant or a section of ARCHITECTURE.md cites one that is there. */
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { shellMutants } from '../shell-mutants/shell-mutants.ts';
import { mutants } from '../simulate/mutants/mutants.ts';
import { brokenCitations, brokenRule, constitutionOf } from './citations.ts';

const root = resolve(import.meta.dirname, '../../..');
const constitution = constitutionOf(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8'));
const files = globSync(
  ['{services,shared,scripts,k8s,terraform,docs}/**/*.{ts,lua,md,py,go,yaml,tf}', '*.{md,ts,yaml}'],
  {
    cwd: root,
    // The test of the check itself cites what is not there.
    exclude: (name) => name.includes('node_modules') || name.endsWith('citations.test.ts'),
  },
);

it('has eleven invariants', () => {
  expect([...constitution.invariants]).toEqual(Array.from({ length: 11 }, (_, index) => String(index + 1)));
});

it('answers whatever is cited of it', () => {
  expect(files).toEqual(expect.arrayContaining(['ARCHITECTURE.md', 'shared/journal/scripts/commit.lua']));
  const faults = files.flatMap((file) => brokenCitations(file, readFileSync(join(root, file), 'utf8'), constitution));
  expect(faults).toEqual([]);
});

it('has the rule that each mutant breaks', () => {
  expect([...mutants, ...shellMutants].flatMap(({ rule }) => brokenRule(rule, constitution) ?? [])).toEqual([]);
});
