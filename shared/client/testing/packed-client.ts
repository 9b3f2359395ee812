import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { plainEnvironment } from '../../testing/child.ts';

const root = resolve(import.meta.dirname, '../../..');
const run = promisify(execFile);

/**
 * Builds and packs the client as `npm publish` would. Answers the path of the tarball, which is in `folder`. It works on a copy,
 * because tests that run side by side would remove each other's build.
 */
export async function packClient(folder: string): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'tallyman-client-'));
  try {
    await cp(join(root, 'shared'), join(copy, 'shared'), { recursive: true });
    await cp(join(root, 'tsconfig.json'), join(copy, 'tsconfig.json'));
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    await npm(join(copy, 'shared/client'), 'pack', '--pack-destination', folder);
  } finally {
    await rm(copy, { recursive: true });
  }
  const [tarball] = globSync('*.tgz', { cwd: folder });
  if (tarball === undefined) throw new Error(`npm pack has left no tarball in ${folder}.`);
  return join(folder, tarball);
}

/** A project of its own in `folder` that has installed the tarball, and nothing else. */
export async function installClient(folder: string, tarball: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "name": "application", "private": true, "type": "module" }');
  await npm(folder, 'install', '--offline', '--no-audit', '--no-fund', tarball);
}

async function npm(cwd: string, ...args: readonly string[]): Promise<void> {
  await run('npm', args, { cwd, env: plainEnvironment() });
}
