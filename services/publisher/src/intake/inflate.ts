import { createGunzip } from 'node:zlib';
import { RequestFault } from './request-fault.ts';

const chunkBytes = 32 * 1024;
/** What inflating takes beside its input and output: the window of zlib, and the chunk that it writes into. */
export const inflateOverheadBytes = 64 * 1024 + chunkBytes;

/**
 * Inflates gzip, piece by piece: `onPiece` is told the size of each and of all so far, and ends it by answering with a
 * fault, which is thrown. A bomb so never becomes larger than what is allowed plus one piece.
 */
export function inflate(
  sent: Buffer,
  onPiece: (bytes: number, total: number) => RequestFault | undefined,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const gunzip = createGunzip({ chunkSize: chunkBytes });
  const pieces: Buffer[] = [];
  let total = 0;
  gunzip.on('data', (piece: Buffer) => {
    total += piece.length;
    const fault = onPiece(piece.length, total);
    if (fault === undefined) pieces.push(piece);
    else gunzip.destroy(fault);
  });
  gunzip.on('end', () => resolve(Buffer.concat(pieces, total)));
  gunzip.on('error', (error) =>
    reject(
      error instanceof RequestFault
        ? error
        : new RequestFault('malformed_gzip', `The body is not whole, valid gzip: ${error.message}.`, error),
    ),
  );
  gunzip.end(sent);
  return promise;
}
