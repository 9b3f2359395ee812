import { connect, createServer } from 'node:net';

/** Below Linux' ephemeral range (32768 and up), so that no outgoing connection takes the port before it is used. */
const lowestPort = 16_000;
const highestPort = 32_000;
const given = new Set<number>();

/** A TCP port that nobody listens on at 127.0.0.1, and that this process has not given before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort));
    if (given.has(port) || !(await canListen(port))) continue;
    given.add(port);
    return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
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
