import { expect, it } from 'vitest';
import { namesIn, tablesOf } from './markdown.ts';

it('reads tables, with escaped pipes, and nothing between them', () => {
  const text = [
    '| code | meaning |',
    '| --- | :-- |',
    '| `a` | b \\| c |',
    '',
    'no | table',
    '',
    '| x |',
    '|---|',
    '| y |',
  ].join('\n');
  expect(tablesOf(text)).toEqual([
    { header: ['code', 'meaning'], rows: [['`a`', 'b \\| c']] },
    { header: ['x'], rows: [['y']] },
  ]);
});

it('takes what stands between backticks for names', () => {
  expect(namesIn('`ONE`, `TWO` and three')).toEqual(['ONE', 'TWO']);
});
