import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnChild, type Child, type ChildOptions } from './child.ts';

/**
 * A nursery owns child processes and one temporary folder, and neither outlives this process.
 *
 * States: open → closed. While open, a warden (a few lines of shell in a session of its own) reads from a pipe which
 * children are alive. The pipe ends when `close()` is called or when this process ends, in whatever way: exit, Ctrl-C, an
 * uncaught error, SIGKILL. Then the warden kills what is left and removes the folder.
 *
 * Guarantees: after `close()` no child is alive and the folder is gone; after this process has died the same is true
 * within moments. Every child has a process group of its own, so that Ctrl-C reaches only this process, which
 * may then stop its children in order.
 */
export interface Nursery {
  /** Everything that the children write goes here. */
  readonly folder: string;
  /** Who is alive. */
  readonly children: ReadonlySet<Child>;
  /** Starts a child with its working directory and log in the folder. Rejects when it cannot be executed. */
  spawn(name: string, command: string, args: readonly string[], options: ChildOptions): Promise<Child>;
  /** Kills what is still alive and removes the folder. Orderly stops are the caller's, before this. Idempotent. */
  close(): Promise<void>;
}

// The pid is the group's number as well: every child leads a group.
const wardenScript = `
trap '' INT TERM HUP
alive=
while read -r change; do
  case $change in
    +*) alive="$alive \${change#+}" ;;
    -*) kept=; for pid in $alive; do [ "$pid" = "\${change#-}" ] || kept="$kept $pid"; done; alive=$kept ;;
  esac
done
for pid in $alive; do kill -s KILL -- "-$pid"; done
for attempt in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && break; sleep 0.2; done
`;

export async function openNursery(): Promise<Nursery> {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-'));
  const warden = spawn('/bin/sh', ['-c', wardenScript, 'tallyman-warden', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Neither may keep this process alive: its natural end is one of the ends that the warden waits for.
  warden.unref();
  if (warden.stdin instanceof Socket) warden.stdin.unref();
  const wardenGone = new Promise<void>((resolve, reject) => {
    warden.once('error', reject);
    warden.once('exit', () => resolve());
  });
  const children = new Set<Child>();
  let closing: Promise<void> | undefined;

  return {
    folder,
    children,
    async spawn(name, command, args, options) {
      if (closing !== undefined) throw new Error(`cannot start ${name}: its nursery is closed`);
      const child = await spawnChild(folder, name, command, args, options);
      children.add(child);
      tell(warden, `+${child.pid}`);
      void child.exited.then(() => {
        children.delete(child);
        tell(warden, `-${child.pid}`);
      });
      return child;
    },
    close() {
      closing ??= closeNursery(folder, children, warden, wardenGone);
      return closing;
    },
  };
}

function tell(warden: ChildProcess, change: string): void {
  if (warden.stdin?.writable === true) warden.stdin.write(`${change}\n`);
}

async function closeNursery(
  folder: string,
  children: ReadonlySet<Child>,
  warden: ChildProcess,
  wardenGone: Promise<void>,
): Promise<void> {
  await Promise.all([...children].map((child) => child.kill('SIGKILL')));
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  warden.ref();
  warden.stdin?.end();
  await wardenGone;
}
