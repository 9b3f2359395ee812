import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { decompress, type Encoding, encodingOf, overheadBytes } from './decompress.ts';
import { RequestFault } from './request-fault.ts';
import { Turns } from './turns.ts';
import { counted } from '../../../../shared/log/troubles.ts';

export interface BodyLimits {
  /** Of one body, as it is sent and inflated. */
  readonly bodyBytesMax: number;
  /** Of all bodies together that are being read, so that many slow ones are bounded too. */
  readonly readingBytesMax: number;
}

/** A hostile head makes brotli's tables 3 MiB, whatever follows. More at a time would not be faster: Node has four threads for them. */
const brotliAtATime = 4;

/** Reads the bodies of requests into memory, within its limits. */
export class BodyReader {
  readonly #limits: BodyLimits;
  readonly #brotli = new Turns(brotliAtATime);
  #readingBytes = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** Undefined when the client went away before the end. Throws a `RequestFault`; the rest is then the caller's to drop. */
  async read(request: IncomingMessage): Promise<string | undefined> {
    const encoding = encodingOf(request.headers);
    const sent = await this.#receive(request);
    if (sent === undefined) return undefined;
    return textOf(encoding === undefined ? sent : await this.#decompress(encoding, sent));
  }

  #receive(request: IncomingMessage): Promise<Buffer | undefined> {
    const { bodyBytesMax } = this.#limits;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > bodyBytesMax) {
      reject(tooLarge(announced, bodyBytesMax));
      return promise;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    let over = false;
    const finish = (): void => {
      over = true;
      this.#readingBytes -= bytes;
    };
    request.on('data', (chunk: Buffer) => {
      if (over) return;
      bytes += chunk.length;
      chunks.push(chunk);
      const fault = bytes > bodyBytesMax ? tooLarge(undefined, bodyBytesMax) : this.#charge(chunk.length);
      if (fault === undefined) return;
      // What is over the limit is not charged.
      bytes -= chunk.length;
      finish();
      chunks.length = 0;
      reject(fault);
    });
    request.on('end', () => {
      if (over) return;
      finish();
      const [first] = chunks;
      resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes));
    });
    const gone = (): void => {
      if (over) return;
      finish();
      resolve(undefined);
    };
    request.on('error', gone);
    request.on('close', gone);
    return promise;
  }

  async #decompress(encoding: Encoding, sent: Buffer): Promise<Buffer> {
    const { bodyBytesMax } = this.#limits;
    let charged = 0;
    const charge = (bytes: number): RequestFault | undefined => {
      const fault = this.#charge(bytes);
      if (fault === undefined) charged += bytes;
      return fault;
    };
    try {
      const fault = charge(sent.length + overheadBytes);
      if (fault !== undefined) throw fault;
      const onPiece = (bytes: number, total: number): RequestFault | undefined =>
        total > bodyBytesMax ? tooLarge(undefined, bodyBytesMax) : charge(bytes);
      if (encoding !== 'br') return await decompress(encoding, sent, onPiece);
      return await this.#brotli.run(() => decompress(encoding, sent, onPiece));
    } finally {
      this.#readingBytes -= charged;
    }
  }

  #charge(bytes: number): RequestFault | undefined {
    if (this.#readingBytes + bytes > this.#limits.readingBytesMax) {
      return new RequestFault(
        'overloaded',
        'Too many bodies are being read at the same time. Nothing of this one was taken; send it again.',
      );
    }
    this.#readingBytes += bytes;
    return undefined;
  }
}

const byteOrderMark = '\ufeff';

/** Without the byte order mark that some editors and languages put before UTF-8; it says nothing. */
function textOf(body: Buffer): string {
  if (!isUtf8(body))
    throw new RequestFault('not_utf8', `The body of ${counted(body.length, 'byte')} is not valid UTF-8.`);
  const text = body.toString('utf8');
  return text.startsWith(byteOrderMark) ? text.slice(1) : text;
}

function tooLarge(bytes: number | undefined, bodyBytesMax: number): RequestFault {
  const got = bytes === undefined ? `more than ${bodyBytesMax}` : String(bytes);
  return new RequestFault(
    'body_too_large',
    `The body has ${got} bytes. At most ${bodyBytesMax} are taken in one request, sent and inflated.`,
  );
}
