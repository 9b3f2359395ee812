import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Providers } from './providers.ts';
import { terraform, type TerraformRun } from './terraform.ts';

export interface FolderResult {
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly detail: string;
}

/** Terraform could not get a plugin. That is the machine's fault, not the module's. */
const noPlugin =
  /(was not found in any of the\s+search locations|could not connect to registry|no such host|connection refused|i\/o timeout|Client\.Timeout)/;

/** One module or environment: format, init, validate without a warning, tests. */
export async function checkFolder(root: string, folder: string, providers: Providers): Promise<FolderResult> {
  const path = join(root, folder);
  const format = await terraform(path, 'fmt', '-check', '-recursive', '-diff');
  if (format.code !== 0) return failed('not as `terraform fmt` writes it', format);

  const init = await terraform(path, 'init', '-backend=false', '-input=false', '-no-color', ...providers.initOptions);
  if (init.code !== 0 && noPlugin.test(init.stdout + init.stderr)) {
    return {
      outcome: 'skipped',
      detail: `a provider's plugin is not here and cannot be fetched:\n${init.stderr.trim()}`,
    };
  }
  if (init.code !== 0) return failed('`terraform init` failed', init);

  const validate = await terraform(path, 'validate', '-json');
  const { diagnostics = [] } = JSON.parse(validate.stdout) as { diagnostics?: readonly object[] };
  if (validate.code !== 0 || diagnostics.length > 0)
    return failed('`terraform validate` has something to say', validate);

  const test = await terraform(path, 'test', '-no-color');
  const [, passed = '0'] = /(\d+) passed, 0 failed/.exec(test.stdout) ?? [];
  if (test.code !== 0 || passed === '0') return failed('`terraform test` failed', test);
  return { outcome: 'passed', detail: `valid, ${passed} tests passed, ${await withWhat(path, providers)}` };
}

/** Which kind of check it was. */
async function withWhat(path: string, { standIns }: Providers): Promise<string> {
  const lock = await readFile(join(path, '.terraform.lock.hcl'), 'utf8').catch(() => '');
  const used = [...lock.matchAll(/^provider "registry\.terraform\.io\/([^"]+)" \{\s*version\s*=\s*"([^"]+)"/gm)];
  if (used.length === 0) return 'no provider needed';
  const kinds = used.map(([, source = '', version = '']) =>
    standIns.has(source)
      ? `a stand-in with the schema of ${source} ${version} (names, types, required arguments; not what the provider itself would refuse)`
      : `${source} ${version}`,
  );
  return `with ${kinds.join(' and ')}`;
}

function failed(what: string, { stdout, stderr }: TerraformRun): FolderResult {
  return { outcome: 'failed', detail: `${what}\n${stdout.trim()}\n${stderr.trim()}` };
}
