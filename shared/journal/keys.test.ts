import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { shardKeys } from './keys.ts';

it('keeps what the README says that is in Redis, and nothing else', () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8');
  const documented = [...readme.matchAll(/^\| `([a-z:<>]+)` +\|/gm)].map(([, key]) => key);
  const prefix = 'tallyman:{tallyman:003}:';
  expect(readme).toContain(`\`${prefix}head\``);
  const { settled, closed, totalsOf, sums, ...fixed } = shardKeys('tallyman', 3);
  const january = closed(Date.UTC(2026, 0, 31, 23, 59));
  expect(january).toBe(`${prefix}closed:2026-01`);
  expect(sums(Date.UTC(2026, 1, 1))).toBe(`${prefix}sums:2026-02`);
  expect(totalsOf(Date.UTC(2026, 1, 1) - 1)).toBe(`${prefix}totals:2026-01`);
  const keys = [
    ...Object.values<string>(fixed),
    settled(7).replace('7', '<set>'),
    january.replace('2026-01', '<month>'),
    `${prefix}totals:<month>`,
    `${prefix}sums:<month>`,
  ];
  expect(documented.map((key) => `${prefix}${key}`).toSorted()).toEqual(keys.toSorted());
});
