import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** A child process of a nursery. Its output goes straight to a file, so that it costs this process nothing. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Its working directory. */
  readonly folder: string;
  readonly logFile: string;
  /** Resolves once it is gone; never rejects. */
  readonly exited: Promise<Exit>;
  /** Undefined while it lives. */
  readonly exit: Exit | undefined;
  /** Sends a signal to the process; without effect once it is gone. */
  signal(signal: NodeJS.Signals): void;
  /** Sends a signal (SIGKILL: to its whole group) and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<Exit>;
  /** The end of its log, at most `count` lines. */
  lastLines(count: number): Promise<string>;
}

export interface Exit {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  /** The whole environment of the child: nothing of ours is inherited, so that no AMQP_URL of the caller leaks in. */
  readonly env: Readonly<Record<string, string>>;
}

const logTailBytes = 64 * 1024;

/** What any program needs of the caller's environment. */
export function plainEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ['PATH', 'HOME', 'LANG', 'TMPDIR']) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

export async function spawnChild(
  nurseryFolder: string,
  name: string,
  command: string,
  args: readonly string[],
  options: ChildOptions,
): Promise<Child> {
  const folder = join(nurseryFolder, name);
  const logFile = join(nurseryFolder, `${name}.log`);
  mkdirSync(folder, { recursive: true });
  const log = openSync(logFile, 'a');
  const child = spawn(command, args, { cwd: folder, env: options.env, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);

  let exit: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      resolve(exit);
    });
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new Error(`${name} could not be started: ${error.message}`, { cause: error })),
    );
    child.once('spawn', () => {
      if (child.pid !== undefined) resolve(child.pid);
    });
  });

  function signalTo(target: number, signal: NodeJS.Signals): void {
    if (exit !== undefined) return;
    try {
      process.kill(target, signal);
    } catch (error) {
      // ESRCH: it ended between our look and the signal. That is what the caller wanted, or learns from `exited`.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }

  return {
    name,
    pid,
    folder,
    logFile,
    exited,
    get exit() {
      return exit;
    },
    signal: (signal) => signalTo(pid, signal),
    kill(signal = 'SIGKILL') {
      signalTo(signal === 'SIGKILL' ? -pid : pid, signal);
      return exited;
    },
    lastLines: (count) => readLastLines(logFile, count),
  };
}

async function readLastLines(file: string, count: number): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, logTailBytes);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-count).join('\n');
  } finally {
    await handle.close();
  }
}
