import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { shardKeys } from './keys.ts';

it('keeps what the README says that is in Redis, and nothing else', () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8');
  const documented = [...readme.matchAll(/^\| `([a-z:<>]+)` +\|/gm)].map(([, key]) => key);
  const prefix = 'tallyman:{tallyman:003}:';
  expect(readme).toContain(`\`${prefix}head\``);
  const { settled, ...fixed } = shardKeys('tallyman', 3);
  const keys = [...Object.values<string>(fixed), settled(7).replace('7', '<set>')];
  expect(documented.map((key) => `${prefix}${key}`).toSorted()).toEqual(keys.toSorted());
});
