import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createConnection, type ListenOptions } from 'node:net';
import { addressFault, codeOf, ListenError, type ListenPlace, socketFault } from './listen-error.ts';

/** Listens and answers where: the port that was taken. Throws a `ListenError`. */
export async function listenOnPort(server: Server, place: ListenPlace, backlog: number): Promise<number> {
  const { host, port } = place;
  try {
    return await listen(server, { host, port, backlog });
  } catch (error) {
    throw addressFault(error, place);
  }
}

/** The port that was taken, or 0 for a Unix socket. */
export async function listen(server: Server, options: ListenOptions): Promise<number> {
  server.listen(options);
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/**
 * A socket file outlives a killed process. It is removed, but only if it is a socket and nobody answers on it. `mode`: rights of the
 * file, as of `chmod`. Throws a `ListenError`.
 */
export async function listenOnSocket(server: Server, path: string, mode?: number): Promise<void> {
  try {
    await listenAt(server, path, mode).catch(async (error: unknown) => {
      if (codeOf(error) !== 'EADDRINUSE') throw error;
      await removeLeftSocket(path, error);
      await listenAt(server, path, mode);
    });
  } catch (error) {
    throw socketFault(error, path);
  }
}

async function removeLeftSocket(path: string, cause: unknown): Promise<void> {
  if (!(await lstat(path)).isSocket())
    throw new ListenError(`${path} is there already, and is no socket. Set TALLYMAN_SOCKET to another path.`, {
      cause,
    });
  if (await isAnswering(path)) {
    throw new ListenError(
      `Another process listens on the socket ${path}. Stop it, or set TALLYMAN_SOCKET to another path.`,
      { cause },
    );
  }
  await unlink(path);
}

async function listenAt(server: Server, path: string, mode: number | undefined): Promise<void> {
  const listening = listen(server, { path });
  // In the same turn as the file is made, so that nobody is let in between.
  if (server.listening && mode !== undefined) chmodSync(path, mode);
  await listening;
}

async function isAnswering(path: string): Promise<boolean> {
  const socket = createConnection({ path });
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    // Refused: a socket without a listener. Anything else (a full queue, no permission) may be a living process.
    return codeOf(error) !== 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}
