import { spawn } from 'node:child_process';

export interface TerraformRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs terraform in a folder to its end. Nothing of the caller's Terraform or cloud settings reaches it. */
export async function terraform(folder: string, ...args: readonly string[]): Promise<TerraformRun> {
  const isTheirs = (name: string): boolean => /^(TF_|AWS_|CLOUDAMQP_)/.test(name);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isTheirs(name)));
  const child = spawn('terraform', args, {
    cwd: folder,
    env: { ...env, TF_IN_AUTOMATION: '1', CHECKPOINT_DISABLE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve(exitCode ?? 1));
  });
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
