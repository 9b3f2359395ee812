import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { plainEnvironment } from '../../testing/child.ts';

const client = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

/** Builds and packs the client as `npm publish` would. Answers the path of the tarball, which is in `folder`. */
export async function packClient(folder: string): Promise<string> {
  await npm(client, 'pack', '--pack-destination', folder);
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
