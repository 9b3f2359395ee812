/**
 * What an image holds of this project: its programs, and whatever they import, to the last file. The Dockerfile runs it, with Node
 * alone: `image-files.ts product FOLDER` copies the files from the folder it is started in.
 */
import { cpSync, existsSync, globSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';

export type Image = 'product' | 'laboratory';

/** What is started in each; everything else is there because one of these imports it. */
const programs: Readonly<Record<Image, readonly string[]>> = {
  product: ['services/publisher/src/main.ts', 'services/consumer/src/main.ts', 'scripts/commands/tallyman.ts'],
  // What stands in for others, on a laptop or in a cluster for trials: Stripe, and an application.
  laboratory: ['services/stripe-simulator/src/main.ts', 'scripts/lab/load/send.ts'],
};

/** What a file reads, or starts, beside what it imports. */
export const readBy: Readonly<Record<string, string>> = {
  'shared/journal/lua.ts': 'shared/journal/scripts/*.lua',
  'scripts/lab/load/load.ts': 'scripts/lab/load/worker.ts',
};

/** Types are erased before anything is loaded. The formatter sees to one form of all the rest. */
const imported = /^(?:import|export)(?! type\b)\s[^;'"]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm;

/** Paths in `root`, sorted. Throws when something that is imported is not there. */
export function imageFiles(image: Image, root: string): readonly string[] {
  const expand = (pattern: string): readonly string[] => globSync(pattern, { cwd: root, exclude: ['**/*.test.ts'] });
  const found = new Set(['package.json']);
  const waiting = programs[image].flatMap(expand);
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (found.has(file)) continue;
    if (!existsSync(join(root, file))) throw new Error(`${file} is imported, and is not there.`);
    found.add(file);
    for (const one of importsOf(file, root)) if (one.startsWith('.')) waiting.push(normalize(join(file, '..', one)));
    const read = readBy[file];
    if (read !== undefined) waiting.push(...expand(read));
  }
  return [...found].sort();
}

/** Names of the packages that these files import, sorted. */
export function packagesOf(files: readonly string[], root: string): readonly string[] {
  const outside = files.flatMap((file) => importsOf(file, root)).filter((one) => !/^(\.|node:)/.test(one));
  return [...new Set(outside.map((one) => /^(?:@[^/]+\/)?[^/]+/.exec(one)?.[0] ?? one))].sort();
}

function importsOf(file: string, root: string): readonly string[] {
  if (!file.endsWith('.ts')) return [];
  const found = readFileSync(join(root, file), 'utf8').matchAll(imported);
  return [...found].map(([, from, alone, later]) => from ?? alone ?? later ?? '');
}

if (import.meta.main) {
  const [image, folder = ''] = process.argv.slice(2);
  if ((image !== 'product' && image !== 'laboratory') || folder === '')
    throw new Error('Usage: image-files.ts product|laboratory FOLDER');
  const root = process.cwd();
  for (const file of imageFiles(image, root)) cpSync(join(root, file), join(folder, file));
}
