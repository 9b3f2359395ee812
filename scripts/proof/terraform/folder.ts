import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Providers } from './providers.ts';
import { z } from 'zod';
import { openings, type ResourceModule, resourcesOf } from './openness.ts';
import { type Report, terraform, terraformReport, type TerraformRun } from './terraform.ts';

export interface FolderResult {
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly detail: string;
}

/** Terraform could not get a plugin. That is the machine's fault, not the module's. */
const noPlugin =
  /(was not found in any of the search locations|could not connect to registry|no such host|connection refused|i\/o timeout|Client\.Timeout)/;

/** One module or environment: format, init, validate without a warning, tests. */
export async function checkFolder(root: string, folder: string, providers: Providers): Promise<FolderResult> {
  const path = join(root, folder);
  const format = await terraform(path, 'fmt', '-check', '-recursive', '-diff');
  if (format.code !== 0) return failed('not as `terraform fmt` writes it', format);

  const init = await terraform(path, 'init', '-backend=false', '-input=false', '-no-color', ...providers.initOptions);
  if (init.code !== 0 && noPlugin.test(oneLine(init.stderr))) {
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

  const test = await terraformReport(path, ['test', '-verbose'], ['test_state', 'test_summary', 'diagnostic']);
  const { passed, failures } = readTests(test.lines);
  if (test.code !== 0 || passed === 0) {
    return { outcome: 'failed', detail: ['`terraform test` failed', ...failures].join('\n') };
  }
  const faults = new Set(statesOf(test.lines).flatMap((state) => openings(resourcesOf(state))));
  if (faults.size > 0) return { outcome: 'failed', detail: [...faults].join('\n') };
  return { outcome: 'passed', detail: `valid, ${passed} tests passed, ${await withWhat(path, providers)}` };
}

const summaryLine = z.object({ test_summary: z.object({ passed: z.number() }) });
const diagnosticLine = z.object({
  '@testfile': z.string().optional(),
  '@testrun': z.string().optional(),
  diagnostic: z.object({ severity: z.string(), summary: z.string(), detail: z.string() }),
});

function readTests(lines: Report['lines']): { passed: number; failures: string[] } {
  let passed = 0;
  const failures: string[] = [];
  for (const line of lines) {
    const summary = summaryLine.safeParse(line);
    if (summary.success) passed = summary.data.test_summary.passed;
    const told = diagnosticLine.safeParse(line);
    if (!told.success || told.data.diagnostic.severity !== 'error') continue;
    const { '@testrun': run = '', diagnostic } = told.data;
    failures.push(`${run}: ${diagnostic.summary}: ${diagnostic.detail}`);
  }
  return { passed, failures };
}

/** What each run of a test had made at its end. */
function statesOf(lines: Report['lines']): readonly ResourceModule[] {
  return lines
    .filter(({ type }) => type === 'test_state')
    .map((line) => (line['test_state'] as { root_module?: ResourceModule }).root_module ?? {});
}

/** Terraform breaks its lines at the width of a page, wherever that is. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
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
