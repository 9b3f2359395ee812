import type { IncomingHttpHeaders } from 'node:http';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import { RequestFault } from './request-fault.ts';

/** How a body may be compressed. */
export type Encoding = 'gzip' | 'deflate' | 'br';

const names: ReadonlyMap<string, Encoding | undefined> = new Map([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
  ['identity', undefined],
]);

/** Undefined: it is not compressed. Throws a `RequestFault` for what is not understood. */
export function encodingOf(headers: IncomingHttpHeaders): Encoding | undefined {
  const encoding = headers['content-encoding'];
  if (encoding === undefined) return undefined;
  const name = encoding.trim().toLowerCase();
  if (names.has(name)) return names.get(name);
  throw new RequestFault(
    'unsupported_encoding',
    `Content-Encoding is ${JSON.stringify(encoding)}. It must be gzip, deflate or br, or absent.`,
  );
}

const chunkBytes = 32 * 1024;
const windowBytes = 32 * 1024;

/** What each takes beside its input and output: the window of zlib, or the usual tables of brotli, and the chunk that it writes into. */
export const overheadBytes = 2 * windowBytes + chunkBytes;

/**
 * Decompresses piece by piece: `onPiece` is told what each takes in memory and how long all are so far, and ends it by answering
 * with a fault, which is thrown. A piece of brotli is in its window too, which grows with what was put out, up to 16 MiB. A bomb so never becomes larger than what is allowed plus one piece.
 *
 * Several members of gzip are one body (RFC 1952, section 2.2). Whatever else stands behind the end is refused: usage that somebody
 * put there would be dropped in silence. NUL bytes are no padding either.
 */
export function decompress(
  encoding: Encoding,
  sent: Buffer,
  onPiece: (bytes: number, total: number) => RequestFault | undefined,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const copies = encoding === 'br' ? 2 : 1;
  const stream = decompressorOf(encoding, sent);
  const pieces: Buffer[] = [];
  let total = 0;
  const malformed = (why: string, cause?: unknown): RequestFault =>
    new RequestFault(
      `malformed_${encoding}`,
      `The body is not whole, valid ${encoding}: ${why}. Nothing of it was taken.`,
      cause,
    );
  stream.on('data', (piece: Buffer) => {
    total += piece.length;
    const fault = onPiece(piece.length * copies, total);
    if (fault === undefined) pieces.push(piece);
    else stream.destroy(fault);
  });
  stream.on('end', () => {
    // What the decompressor has read. It stops at its end, and says nothing of what it left.
    const left = sent.length - stream.bytesWritten;
    if (left === 0) resolve(Buffer.concat(pieces, total));
    else reject(malformed(`${left} bytes stand behind its end`));
  });
  stream.on('error', (error) => reject(error instanceof RequestFault ? error : malformed(error.message, error)));
  stream.end(sent);
  return promise;
}

function decompressorOf(encoding: Encoding, sent: Buffer) {
  const options = { chunkSize: chunkBytes };
  switch (encoding) {
    case 'gzip':
      return createGunzip(options);
    case 'deflate':
      return isZlib(sent) ? createInflate(options) : createInflateRaw(options);
    case 'br':
      return createBrotliDecompress(options);
  }
}

/** `deflate` is the zlib format (RFC 9110, section 8.4.1.2), but some clients send the bare stream: it has no such head (RFC 1950, section 2.2). */
function isZlib(sent: Buffer): boolean {
  const [method = 0, flags = 0] = sent;
  return (method & 0x0f) === 8 && ((method << 8) | flags) % 31 === 0;
}
