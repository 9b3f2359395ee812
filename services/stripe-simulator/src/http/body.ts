import type { IncomingMessage } from 'node:http';

export const bodyBytesMax = 1_048_576;

/** The whole body as text; undefined if it is larger than 1 MiB. What is too large is read to its end and dropped. */
export function readBody(request: IncomingMessage, done: (body: string | undefined) => void): void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) chunks = [];
    else chunks.push(chunk);
  });
  request.on('end', () => {
    const [first] = chunks;
    if (bytes > bodyBytesMax) done(undefined);
    else
      done(
        chunks.length === 1 && first !== undefined ? first.toString('utf8') : Buffer.concat(chunks).toString('utf8'),
      );
  });
}
