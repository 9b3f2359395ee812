import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createConnection, type ListenOptions } from 'node:net';

/** Listens and answers where: the port that was taken, or 0 for a Unix socket. */
export async function listen(server: Server, options: ListenOptions): Promise<number> {
  server.listen(options);
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A socket file outlives a killed process. It is removed, but only if nobody answers on it. `mode`: rights of the file, as of `chmod`. */
export async function listenOnSocket(server: Server, path: string, mode?: number): Promise<void> {
  try {
    await listenAt(server, path, mode);
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error;
    if (await isAnswering(path)) {
      throw new Error(
        `Another process listens on the socket ${path}. Stop it, or set TALLYMAN_SOCKET to another path.`,
        {
          cause: error,
        },
      );
    }
    await unlink(path);
    await listenAt(server, path, mode);
  }
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

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
