import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Outcome, outcomeOfCheck, outcomeOfTests } from './outcome.ts';
import type { Stage } from './stages.ts';

/** What a stage may take to clean up after it was told to end, before it is killed. */
const graceMs = 20_000;
const keptLines = 8;
const interrupted = 130;
const notFound = 127;

/** Runs one stage and gives `print` each line of its output. When `signal` is aborted the stage is asked to end, so that it cleans up. */
export async function runStage(stage: Stage, signal: AbortSignal, print: (line: string) => void): Promise<Outcome> {
  if (!stage.countsTests) {
    const lastLines: string[] = [];
    const keep = (line: string): void => {
      print(line);
      lastLines.push(line);
      if (lastLines.length > keptLines) lastLines.shift();
    };
    const exitCode = await run(stage.command, stage.limitMs, signal, keep);
    return outcomeOfCheck(exitCode, lastLines);
  }
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-check-'));
  try {
    const file = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const exitCode = await run([...stage.command, ...reporters], stage.limitMs, signal, print);
    return outcomeOfTests(exitCode, await readFile(file, 'utf8').catch(() => undefined));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function run(
  [program = '', ...args]: readonly string[],
  limitMs: number,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<number> {
  // A group of its own: Ctrl-C reaches it once, through us, and what it leaves behind can be ended with it.
  const child = spawn(program, args, { stdio: ['inherit', 'pipe', 'pipe'], detached: true, env: childEnvironment() });
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', print);
  }
  const ended = once(child, 'close');
  const end = (): void => endGroup(child);
  const limit = setTimeout(() => {
    console.error(`${program} ran for more than ${limitMs / 60_000} minutes; it is ended.`);
    end();
  }, limitMs);
  signal.addEventListener('abort', end);
  try {
    if (signal.aborted) end();
    const [exitCode] = (await ended) as [number | null];
    return exitCode ?? interrupted;
  } catch (error) {
    console.error(`${program} could not be run:`, error);
    return notFound;
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', end);
  }
}

function endGroup(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null) return;
  child.kill('SIGINT');
  const kill = setTimeout(() => process.kill(-pid, 'SIGKILL'), graceMs);
  child.once('exit', () => clearTimeout(kill));
}

/** The caller's broker, Redis and keys are no business of a test, which starts its own. */
function childEnvironment(): NodeJS.ProcessEnv {
  const isTheirs = (name: string): boolean => /^(TALLYMAN_|STRIPE_|AMQP_URL|REDIS_URL)/.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isTheirs(name)));
}
