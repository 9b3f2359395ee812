import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface TerraformRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs terraform in a folder to its end. Nothing of the caller's Terraform or cloud settings reaches it. */
export function terraform(folder: string, ...args: readonly string[]): Promise<TerraformRun> {
  return runTerraform(folder, args, () => true);
}

export interface Report {
  readonly code: number;
  /** Lines of `-json` of the given types. */
  readonly lines: readonly Record<string, unknown>[];
}

/** The same with `-json`: of its lines, which may be many megabytes each, only these types are kept. */
export async function terraformReport(
  folder: string,
  args: readonly string[],
  types: readonly string[],
): Promise<Report> {
  // Keys are in order, so that the type is the last one: a look at the end of a line tells it.
  const isKept = (line: string): boolean => types.some((type) => line.trimEnd().endsWith(`"type":"${type}"}`));
  const { code, stdout } = await runTerraform(folder, [...args, '-json'], isKept);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { code, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

async function runTerraform(
  folder: string,
  args: readonly string[],
  isKept: (line: string) => boolean,
): Promise<TerraformRun> {
  const isTheirs = (name: string): boolean => /^(TF_|AWS_|CLOUDAMQP_)/.test(name);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isTheirs(name)));
  const child = spawn('terraform', args, {
    cwd: folder,
    env: { ...env, TF_IN_AUTOMATION: '1', CHECKPOINT_DISABLE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  const lines = createInterface({ input: child.stdout, crlfDelay: Infinity }).on('line', (line) => {
    if (isKept(line)) output.stdout += `${line}\n`;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const read = once(lines, 'close');
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve(exitCode ?? 1));
  });
  await read;
  return { code, ...output };
}

/** Undefined when there is no terraform on PATH. */
export async function terraformVersion(): Promise<{ version: string; platform: string } | undefined> {
  let run: TerraformRun;
  try {
    run = await terraform('/', 'version', '-json');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const { terraform_version: version, platform } = JSON.parse(run.stdout) as Record<string, string>;
  if (version === undefined || platform === undefined) throw new Error(`terraform version answered: ${run.stdout}`);
  return { version, platform };
}
