/**
 * Checks terraform/ without a cloud: format, then for every module and environment `init`, `validate` and `test`, in a copy, so
 * that nothing is left behind. Says what was checked with a real provider, what with a stand-in, and what was not checked at
 * all because something is missing here. Exits with 1 for a fault of ours only. Takes names of folders, such as modules/network.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkFolder, type FolderResult } from './terraform/folder.ts';
import { type Providers, provideProviders } from './terraform/providers.ts';
import { terraformVersion } from './terraform/terraform.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const version = await terraformVersion();
if (version === undefined) {
  console.log(
    'SKIPPED: terraform is not on PATH, so modules and environments were not checked. Install Terraform 1.11 or newer.',
  );
} else {
  process.exitCode = await checkAll(version);
}

async function checkAll({ version: number, platform }: { version: string; platform: string }): Promise<number> {
  const work = await mkdtemp(join(tmpdir(), 'tallyman-terraform-'));
  try {
    const providers = await provideProviders(join(work, 'plugins'), platform);
    console.log(`Terraform ${number}. ${providers.description}`);
    // Where it is, a person's own state and plugins are beside it; those stay there.
    const isTheirs = (path: string): boolean => /\.terraform|\.tfstate|\.tfvars|backend\.tf$/.test(path);
    await cp(join(root, 'terraform'), join(work, 'terraform'), { recursive: true, filter: (path) => !isTheirs(path) });
    return await checkFolders(join(work, 'terraform'), providers);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function checkFolders(copy: string, providers: Providers): Promise<number> {
  const all = globSync('{modules,environments}/*/versions.tf', { cwd: copy }).map((path) => dirname(path));
  const named = process.argv.slice(2);
  const unknown = named.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`There is no folder terraform/${unknown}; there are ${all.join(', ')}.`);
  const folders = named.length === 0 ? all : named;
  const results: FolderResult[] = [];
  for (const folder of folders.sort()) {
    const result = await checkFolder(copy, folder, providers);
    console.log(`${result.outcome.toUpperCase().padEnd(8)} ${folder}: ${result.detail}`);
    results.push(result);
  }
  const count = (outcome: FolderResult['outcome']): number => results.filter((one) => one.outcome === outcome).length;
  console.log(`${count('passed')} folders passed, ${count('failed')} failed, ${count('skipped')} skipped`);
  return count('failed') === 0 && results.length > 0 ? 0 : 1;
}
