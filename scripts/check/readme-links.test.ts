/** Every relative link, every anchor and every path in code of every Markdown file of the project leads somewhere. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { brokenLinks, type Tree } from './links.ts';

const root = resolve(import.meta.dirname, '../..');
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
