import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Debian keeps the real `rabbitmq-server`; the one on PATH is a wrapper that insists on the system's own broker. */
const rabbitmqFolder = '/usr/lib/rabbitmq/bin';
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

export function findLavinmq(): string | undefined {
  return findExecutable('lavinmq', pathFolders());
}

export function findRabbitmq(): string | undefined {
  return findExecutable('rabbitmq-server', [rabbitmqFolder, ...pathFolders()]);
}

export function findRabbitmqctl(): string | undefined {
  return findExecutable('rabbitmqctl', [rabbitmqFolder, ...pathFolders()]);
}

export function findRedis(): string | undefined {
  return findExecutable('redis-server', pathFolders()) ?? findExecutable('valkey-server', pathFolders());
}

export function findEpmd(): string | undefined {
  return findExecutable('epmd', [...pathFolders(), '/usr/lib/erlang/bin']);
}

/** Every Node on PATH, of whatever version. */
export function findNodes(): readonly string[] {
  return pathFolders()
    .map((folder) => join(folder, 'node'))
    .filter(isExecutable);
}

function pathFolders(): readonly string[] {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...path, ...systemFolders];
}

function findExecutable(name: string, folders: readonly string[]): string | undefined {
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // Not there, or not ours to run: the next folder is asked.
    return false;
  }
}
