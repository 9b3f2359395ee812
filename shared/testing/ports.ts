import { connect, createServer, type ListenOptions, type Server } from 'node:net';

/** Below Linux' ephemeral range (32768 and up), so that no outgoing connection takes the port before it is used. */
const lowestPort = 16_000;
const highestPort = 32_000;
const given = new Set<number>();

/**
 * A TCP port that nobody listens on at 127.0.0.1. It is this process's until it ends: nobody else who asks here is given
 * it, be it that nobody listens on it yet, or for the moment no longer.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort));
    if (given.has(port) || !(await claim(port)) || !(await canListen(port))) continue;
    given.add(port);
    return port;
  }
}

/** This port, if it is as free as one of `freePort`, and else one of those. */
export async function preferredPort(port: number): Promise<number> {
  if (given.has(port) || !(await canListen(port)) || !(await claim(port))) return freePort();
  given.add(port);
  return port;
}

/** By an abstract socket, which only Linux has: one process can have it, and it is gone with that process. */
async function claim(port: number): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const server = await listen({ path: `\0tallyman-port-${port}` });
  server?.unref();
  return server !== undefined;
}

async function canListen(port: number): Promise<boolean> {
  const server = await listen({ port, host: '127.0.0.1' });
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** Undefined: somebody else does. */
function listen(where: ListenOptions): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(where, () => resolve(server));
  });
}

/**
 * Connects to a server on loopback, says `greeting` and resolves with the first bytes of its answer. Rejects when
 * nobody listens or nobody answers in time: the simplest question that tells "up" from "port open".
 */
export function askPort(port: number, greeting: string | Uint8Array, timeoutMs = 1_000): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.setTimeout(timeoutMs);
    socket.once('connect', () => socket.write(greeting));
    socket.once('data', (answer) => {
      resolve(Buffer.isBuffer(answer) ? answer : Buffer.from(answer));
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new Error(`no answer on port ${port} within ${timeoutMs} ms`)));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`port ${port} closed without an answer`)));
  });
}
