import { cp, mkdtemp, rm } from 'node:fs/promises';
import { globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main, Program, UsageError } from '../commands/program.ts';
import { checkFolder, type FolderResult } from './terraform/folder.ts';
import { type Providers, provideProviders } from './terraform/providers.ts';
import { terraformVersion } from './terraform/terraform.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

export function program(): Program {
  return new Program('node scripts/proof/terraform.ts')
    .description(
      'Checks terraform/ without a cloud: format, then for every module and environment init, validate and test, in a copy, so ' +
        'that nothing is left behind. Says what was checked with a real provider, what with a stand-in, and what was not checked at ' +
        'all because something is missing here. Exits with 1 for a fault of ours only.',
    )
    .argument('[FOLDER...]', 'of terraform/, such as modules/network; all of them if absent')
    .examples('node scripts/proof/terraform.ts modules/network')
    .runs(check);
}

async function check(_options: object, named: readonly string[]): Promise<number> {
  const all = foldersIn(join(root, 'terraform'));
  const unknown = named.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new UsageError(`Unknown folder: ${unknown}; there are ${all.join(', ')}`);
  const version = await terraformVersion();
  if (version !== undefined) return checkAll(version, named.length === 0 ? all : named);
  console.log(
    'SKIPPED: terraform is not on PATH, so modules and environments were not checked. Install Terraform 1.11 or newer.',
  );
  return 0;
}

async function checkAll(
  { version: number, platform }: { version: string; platform: string },
  folders: readonly string[],
): Promise<number> {
  const work = await mkdtemp(join(tmpdir(), 'tallyman-terraform-'));
  try {
    const providers = await provideProviders(join(work, 'plugins'), platform);
    console.log(`Terraform ${number}. ${providers.description}`);
    // Where it is, a person's own state and plugins are beside it; those stay there.
    const isTheirs = (path: string): boolean => /\.terraform|\.tfstate|\.tfvars|backend\.tf$/.test(path);
    await cp(join(root, 'terraform'), join(work, 'terraform'), { recursive: true, filter: (path) => !isTheirs(path) });
    return await checkFolders(join(work, 'terraform'), folders, providers);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function foldersIn(terraform: string): readonly string[] {
  return globSync('{modules,environments}/*/versions.tf', { cwd: terraform }).map((path) => dirname(path));
}

async function checkFolders(copy: string, folders: readonly string[], providers: Providers): Promise<number> {
  const results: FolderResult[] = [];
  for (const folder of folders.toSorted()) {
    const result = await checkFolder(copy, folder, providers);
    console.log(`${result.outcome.toUpperCase().padEnd(8)} ${folder}: ${result.detail}`);
    results.push(result);
  }
  const count = (outcome: FolderResult['outcome']): number => results.filter((one) => one.outcome === outcome).length;
  console.log(`${count('passed')} folders passed, ${count('failed')} failed, ${count('skipped')} skipped`);
  return count('failed') === 0 && results.length > 0 ? 0 : 1;
}

if (import.meta.main) await main(program());
