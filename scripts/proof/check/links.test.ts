import { expect, it } from 'vitest';
import { anchorsOf, brokenLinks, filesNamedIn, linksIn, pathsIn, type Tree } from './links.ts';

const fence = '```';

it('names headings as GitHub does, and takes explicit anchors', () => {
  const text = ['# One `two`, 3.1!', '## Same', '## Same', '<a id="invariant-4"></a>', '#### A [link](b.md)'].join(
    '\n',
  );
  expect([...anchorsOf(text)].sort()).toEqual(['a-link', 'invariant-4', 'one-two-31', 'same', 'same-1']);
});

it('reads links, and none in code', () => {
  const text = [
    'See [one](a.md), ![two](<b c.png>) [three](d.md#e "title") and `[no](no.md)`.',
    `${fence}sh`,
    '# no heading [no](no.md)',
    fence,
    '[four]: f.md',
  ].join('\n');
  expect(linksIn(text)).toEqual(['a.md', 'd.md#e', 'f.md']);
  expect([...anchorsOf(text)]).toEqual([]);
});

it('reads paths of the project in code, and nothing that only looks like one', () => {
  expect(pathsIn('`shared/a.ts`, `scripts/b`, `./scripts/demo`, `services/<name>/x`, `a.ts` shared/c.ts')).toEqual([
    'shared/a.ts',
    'scripts/b',
  ]);
});

it('reads the files that code names, and no paths of imports or of other projects', () => {
  const code =
    "// shared/a.ts says, node scripts/b.ts; import '../shared/c.ts'; 'node_modules/shared/d.ts' services/<name>/e.ts shared/f.js";
  expect(filesNamedIn(code)).toEqual(['shared/a.ts', 'scripts/b.ts']);
});

const files = new Map<string, { text: string } | 'folder'>([
  ['docs/a.md', { text: '# Here' }],
  ['docs/b.md', { text: '# There' }],
  ['shared/x.ts', { text: '' }],
  ['shared', 'folder'],
]);
const tree: Tree = (path) => files.get(path);

it('finds what leads nowhere', () => {
  const text =
    '# Here [1](#here) [2](b.md#there) [3](../shared) [4](https://x.test/#y) `shared/x.ts` ' +
    '[5](#gone) [6](b.md#gone) [7](c.md) [8](../shared#gone) `shared/y.ts`';
  expect(brokenLinks('docs/a.md', text, tree)).toEqual([
    'docs/a.md: the link #gone leads to docs/a.md, which has no heading or anchor "gone".',
    'docs/a.md: the link b.md#gone leads to docs/b.md, which has no heading or anchor "gone".',
    'docs/a.md: the link c.md leads to docs/c.md, which does not exist.',
    'docs/a.md: the link ../shared#gone leads to shared, which has no heading or anchor "gone".',
    'docs/a.md: it names shared/y.ts, which does not exist.',
  ]);
});
