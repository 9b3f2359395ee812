import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { plainEnvironment } from '../../../shared/testing/child.ts';
import type { Nursery } from '../../../shared/testing/nursery.ts';
import { until } from '../../../shared/testing/until.ts';
import { rememberNetwork } from './network-state.ts';

/**
 * A container engine of this test's own: a Docker daemon with its data, sockets and containers in the nursery's folder,
 * so that no other engine on the machine is seen or touched. When it is closed, or this process has died in whatever way, nothing of
 * it is left: the nursery kills the daemon, its containers die with it, and the network is given back.
 */
export interface Engine {
  /** For DOCKER_HOST. */
  readonly host: string;
  /** Runs the Docker client; resolves with its stdout, trimmed. Rejects with what it said. */
  readonly docker: (...args: readonly string[]) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Why no engine can be had here. That is no fault of the project, and is told as a skip. */
export class NoEngine extends Error {}

const run = promisify(execFile);
const startDeadlineMs = 30_000;
const commandTimeoutMs = 400_000;
const outputBytesMax = 64 * 1024 ** 2;
/** What the tests need, and the packages of Debian that bring it. */
const programs = { dockerd: 'docker.io', mmdebstrap: 'mmdebstrap', 'docker-compose': 'docker-compose' } as const;
const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export function findProgram(name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** Rejects with `NoEngine` where a Docker daemon cannot run. */
export async function openEngine(nursery: Nursery): Promise<Engine> {
  if (process.getuid?.() !== 0) throw new NoEngine('a Docker daemon needs root, which this user is not');
  await installMissing();
  const [dockerd, client] = [findProgram('dockerd'), findProgram('docker')];
  if (dockerd === undefined || client === undefined) throw new NoEngine('Docker is not installed, nor is apt-get here');

  const network = await rememberNetwork(folders.join(':'));
  const socket = `unix://${join(nursery.folder, 'docker.sock')}`;
  const daemon = await nursery.spawn(
    'dockerd',
    'unshare',
    [
      // Processes and mounts of its own: whatever ends the daemon, and be it SIGKILL, ends its containers and mounts too.
      ...['--pid', '--mount', '--fork', '--kill-child', '--mount-proc', dockerd],
      ...['--host', socket, '--pidfile', join(nursery.folder, 'docker.pid')],
      ...['--data-root', join(nursery.folder, 'docker'), '--exec-root', join(nursery.folder, 'run')],
      // No default bridge: every network is made by the test.
      ...['--bridge', 'none', '--log-level', 'warn'],
    ],
    { env: { ...plainEnvironment(), PATH: folders.join(':') } },
  );
  network.changedBy(daemon.pid);
  async function docker(...args: readonly string[]): Promise<string> {
    const env = { ...plainEnvironment(), DOCKER_CONFIG: nursery.folder };
    const options = { env, timeout: commandTimeoutMs, maxBuffer: outputBytesMax };
    const { stdout } = await run(client ?? 'docker', ['--host', socket, ...args], options);
    return stdout.trim();
  }
  async function close(): Promise<void> {
    if (daemon.exit === undefined) {
      const containers = (await docker('ps', '--all', '--quiet')).split('\n').filter((id) => id !== '');
      if (containers.length > 0) await docker('rm', '--force', '--volumes', ...containers);
      await docker('network', 'prune', '--force');
      await daemon.kill('SIGKILL');
    }
    await network.giveBack();
  }
  try {
    await until(
      async () => {
        if (daemon.exit === undefined) await docker('version');
      },
      { deadlineMs: startDeadlineMs, intervalMs: 200 },
    );
    if (daemon.exit !== undefined) throw new Error('it ended');
  } catch (error) {
    const lines = await daemon.lastLines(5);
    await daemon.kill('SIGKILL');
    await network.giveBack();
    throw new NoEngine(`a Docker daemon cannot run here: ${lines}`, { cause: error });
  }
  return { host: socket, docker, close };
}

/** Installs what is missing, in one go. Without apt-get: whoever needs a program sees that it is not there. */
async function installMissing(): Promise<void> {
  const missing = Object.entries(programs).filter(([program]) => findProgram(program) === undefined);
  if (missing.length === 0 || findProgram('apt-get') === undefined) return;
  const packages = missing.map(([, debianPackage]) => debianPackage);
  try {
    await run(join(import.meta.dirname, '../../setup'), ['--debian', ...packages], { timeout: commandTimeoutMs });
  } catch (error) {
    throw new NoEngine(`${packages.join(', ')} could not be installed with apt-get`, { cause: error });
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // Not there, or not ours to run: the next folder is looked at.
    return false;
  }
}
