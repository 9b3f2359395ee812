import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { RequestFault } from './request-fault.ts';

export interface BodyLimits {
  /** Of one body. */
  readonly bodyBytesMax: number;
  /** Of all bodies together that are being read, so that many slow ones are bounded too. */
  readonly readingBytesMax: number;
}

/** Reads the bodies of requests into memory, within its limits. */
export class BodyReader {
  readonly #limits: BodyLimits;
  #readingBytes = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** Undefined when the client went away before the end. Throws a `RequestFault`; the rest is then read and dropped. */
  read(request: IncomingMessage): Promise<string | undefined> {
    const { bodyBytesMax } = this.#limits;
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
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
      this.#readingBytes += chunk.length;
      chunks.push(chunk);
      if (bytes > bodyBytesMax) {
        finish();
        reject(tooLarge(undefined, bodyBytesMax));
      } else if (this.#readingBytes > this.#limits.readingBytesMax) {
        finish();
        reject(
          new RequestFault(
            'overloaded',
            'Too many bodies are being read at the same time. Nothing of this one was taken; send it again.',
          ),
        );
      }
    });
    request.on('end', () => {
      if (over) return;
      finish();
      const [first] = chunks;
      const body = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes);
      if (isUtf8(body)) resolve(body.toString('utf8'));
      else reject(new RequestFault('not_utf8', `The body of ${bytes} bytes is not valid UTF-8.`));
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
}

function tooLarge(bytes: number | undefined, bodyBytesMax: number): RequestFault {
  const got = bytes === undefined ? `more than ${bodyBytesMax}` : String(bytes);
  return new RequestFault(
    'body_too_large',
    `The body has ${got} bytes. At most ${bodyBytesMax} are taken in one request.`,
  );
}
