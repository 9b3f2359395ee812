import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing, isNamed, lockName } from './files.ts';

/**
 * One process per spool folder, by the kernel's flock on a file in it. Node has no call for it, but an flock belongs to the
 * open file and not to the process that asked: a child that inherits our descriptor locks it and ends, and the lock is ours until
 * the last descriptor of it is closed, which is ours, since Node's are closed in every other child.
 *
 * So it is gone with the process, however that ends, SIGKILL and power cuts included, and no leftover can be taken for
 * a lock; it is held while the process is frozen, as nobody has to renew it; of two that start at once the kernel
 * chooses one. It holds between containers that share a volume on one machine, which a socket in the folder does not, and
 * there is no child that could die before us.
 */
export class SpoolLocked extends Error {
  override readonly name = 'SpoolLocked';
}

export interface FolderLock {
  /** False if the folder was moved or deleted: what has its name now is not locked by us. */
  isInPlace(): Promise<boolean>;
  release(): Promise<void>;
}

/** Of util-linux or busybox; and Perl, where that is missing. Each locks descriptor 3 and ends with 1 if somebody has it. */
const lockers: readonly (readonly [command: string, args: readonly string[]])[] = [
  ['flock', ['-n', '3']],
  ['perl', ['-e', 'open(F, "<&=", 3) or exit 2; exit(flock(F, 6) ? 0 : 1)']],
];

/** Throws `SpoolLocked` if another process has it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, lockName);
  for (;;) {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const lock = {
      isInPlace: () => isNamed(handle, path),
      release: () => handle.close(),
    };
    try {
      await lockDescriptor(handle.fd, folder);
      // Deleted between our open and our lock, while its owner ended: whoever comes next locks the new one.
      if (await lock.isInPlace()) return lock;
      await lock.release();
    } catch (error) {
      await lock.release();
      throw error;
    }
  }
}

/** Is somebody there? Leaves no trace where there is no lock file. */
export async function isLocked(folder: string): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await open(join(folder, lockName), constants.O_RDONLY);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  try {
    await lockDescriptor(handle.fd, folder);
    return false;
  } catch (error) {
    if (error instanceof SpoolLocked) return true;
    throw error;
  } finally {
    await handle.close();
  }
}

async function lockDescriptor(descriptor: number, folder: string): Promise<void> {
  for (const [command, args] of lockers) {
    const ended = await runOn(descriptor, command, args);
    if (ended.code === 0) return;
    if (ended.code === 1) throw new SpoolLocked(`another process has the spool in ${folder}`);
    if (ended.code !== 'missing') throw new Error(`${command} could not lock ${folder}: ${ended.words}`);
  }
  throw new Error(
    'the spool needs the program flock (util-linux) to lock its folder, or Perl, and neither is installed',
  );
}

interface Ended {
  readonly code: number | null | 'missing';
  readonly words: string;
}

function runOn(descriptor: number, command: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe', descriptor] });
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      if ('code' in error && error.code === 'ENOENT') resolve({ code: 'missing', words });
      else reject(error);
    });
    child.once('close', (code) => resolve({ code, words: words.trim() }));
  });
}
