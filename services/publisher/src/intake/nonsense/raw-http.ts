import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** For tests: HTTP by hand, since every client refuses to send what a server must refuse. */
export interface RawAnswer {
  /** Of each response on the connection, in turn. Empty: the connection was closed without a word. */
  readonly statuses: readonly number[];
  readonly text: string;
  /** The body of the last response, if it is JSON. */
  readonly body: unknown;
}

export interface Post {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

const host = 'Host: sidecar\r\n';

/** A request that ends its connection. */
export function requestOf({ method = 'POST', path = '/v1/events', headers = {}, body = '' }: Post): Buffer {
  const bytes = Buffer.from(body);
  const all = { 'content-type': 'application/json', 'content-length': String(bytes.length), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\n${host}Connection: close\r\n${lines.join('')}\r\n`),
    bytes,
  ]);
}

export async function connectTo(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

/** Sends everything, as fast as it is taken, and reads until the sidecar closes the connection. */
export async function talk(port: number, parts: Iterable<string | Buffer>, end = false): Promise<RawAnswer> {
  const socket = await connectTo(port);
  const answer = hear(socket);
  await send(socket, parts);
  if (end) socket.end();
  return answer;
}

async function send(socket: Socket, parts: Iterable<string | Buffer>): Promise<void> {
  for (const part of parts) {
    if (socket.destroyed) return;
    if (socket.write(part)) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    const go = (): void => {
      socket.off('drain', go).off('close', go);
      resolve();
    };
    socket.on('drain', go).on('close', go);
    await promise;
  }
}

export async function hear(socket: Socket, deadlineMs = 30_000): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const deadline = setTimeout(() => reject(new Error('The sidecar neither answered nor hung up.')), deadlineMs);
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A reset after the answer is how a server closes a connection on which more arrives.
  socket.on('error', () => undefined);
  socket.on('end', () => socket.end());
  socket.on('close', () => resolve());
  try {
    await promise;
  } finally {
    clearTimeout(deadline);
    socket.destroy();
  }
  return answerOf(Buffer.concat(chunks).toString('latin1'));
}

function answerOf(text: string): RawAnswer {
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  const start = text.lastIndexOf('\r\n\r\n');
  return { statuses: statuses.filter((status) => status !== 100), text, body: parse(text.slice(start + 4)) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'latin1').toString()) as unknown;
  } catch {
    return undefined;
  }
}
