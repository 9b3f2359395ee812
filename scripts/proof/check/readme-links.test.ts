/**
 * Every relative link, every anchor and every path in code of every Markdown file leads somewhere, and so does every file of the
 * project that code names.
 */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { brokenLinks, filesNamedIn, type Tree } from './links.ts';

const root = resolve(import.meta.dirname, '../../..');
const documents = globSync('**/*.md', { cwd: root, exclude: (name) => name.includes('node_modules') });

const tree: Tree = (path) => {
  const whole = join(root, path);
  if (!existsSync(whole)) return undefined;
  return statSync(whole).isDirectory() ? 'folder' : { text: readFileSync(whole, 'utf8') };
};

it('finds the documents', () => {
  expect(documents).toEqual(expect.arrayContaining(['README.md', 'ARCHITECTURE.md', 'services/consumer/README.md']));
});

it.each(documents)('%s leads nowhere else', (file) => {
  expect(brokenLinks(file, readFileSync(join(root, file), 'utf8'), tree)).toEqual([]);
});

it('code names no file that does not exist', () => {
  const code = globSync(
    ['{services,shared,scripts,k8s,terraform}/**/*.{ts,lua,py,go,yaml,tf}', '*.{ts,yaml}', 'Dockerfile'],
    {
      cwd: root,
      // The test of the check itself names what is not there.
      exclude: (name) => name.includes('node_modules') || name.endsWith('links.test.ts'),
    },
  );
  expect(code).toContain('shared/journal/journal.ts');
  const faults = code.flatMap((file) =>
    filesNamedIn(readFileSync(join(root, file), 'utf8')).flatMap((path) =>
      tree(path) === undefined ? [`${file} names ${path}`] : [],
    ),
  );
  expect(faults).toEqual([]);
});
