import { randomBytes } from 'node:crypto';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decompress, type Encoding, encodingOf } from './decompress.ts';
import { RequestFault } from './request-fault.ts';

const compressors = [
  ['gzip', 'gzip', gzipSync],
  ['deflate', 'deflate', deflateSync],
  ['bare deflate', 'deflate', deflateRawSync],
  ['br', 'br', brotliCompressSync],
] as const;

const read = async (encoding: Encoding, sent: Buffer): Promise<string> =>
  (await decompress(encoding, sent, () => undefined)).toString();

async function refusal(encoding: Encoding, sent: Buffer): Promise<RequestFault> {
  const thrown: unknown = await decompress(encoding, sent, () => undefined).catch((error: unknown) => error);
  if (thrown instanceof RequestFault) return thrown;
  throw new Error('It was taken, or something else was thrown.', { cause: thrown });
}

describe('the encoding of a body', () => {
  it.each([
    ['gzip', 'gzip'],
    ['X-GZIP', 'gzip'],
    ['deflate', 'deflate'],
    [' br ', 'br'],
    ['Identity', undefined],
    [undefined, undefined],
  ])('%s is %s', (encoding, expected) => {
    expect(encodingOf(encoding === undefined ? {} : { 'content-encoding': encoding })).toBe(expected);
  });

  it.each(['gzip, gzip', 'gzip, br', 'zstd', 'compress', ''])('may not be %j', (encoding) => {
    expect(() => encodingOf({ 'content-encoding': encoding })).toThrow(RequestFault);
  });
});

describe.each(compressors)('%s', (_, encoding, compress) => {
  const text = randomBytes(60_000).toString('hex');

  it('is read whole, and not larger than it may be', async () => {
    expect(await read(encoding, compress(text))).toBe(text);
    expect(await read(encoding, compress(''))).toBe('');
    const fault = new RequestFault('body_too_large', 'so much');
    let largest = 0;
    const bomb = compress(Buffer.alloc(50_000_000));
    const reading = decompress(encoding, bomb, (_bytes, total) => {
      largest = total;
      return total > 100_000 ? fault : undefined;
    });
    await expect(reading).rejects.toBe(fault);
    expect(largest).toBeLessThanOrEqual(100_000 + 32 * 1024);
  });

  it('is refused when it is cut off, or is something else', async () => {
    const packed = compress(text);
    for (const sent of [packed.subarray(0, -1), packed.subarray(0, 100), Buffer.alloc(0), Buffer.from('{"id":"x"}')])
      expect((await refusal(encoding, sent)).code).toBe(`malformed_${encoding}`);
  });

  // What stood behind a NUL, or behind the end of deflate, was dropped in silence: 202, accepted 1 of 2.
  it('is refused with anything behind its end', async () => {
    for (const behind of ['\0', '\0\0\0\0', 'x', ' \n', '{"id":"2"}']) {
      const { code, message } = await refusal(encoding, Buffer.concat([compress(text), Buffer.from(behind)]));
      expect(code).toBe(`malformed_${encoding}`);
      expect(message).toContain('Nothing of it was taken');
    }
    const another = Buffer.concat([compress(text), Buffer.from('\0'), compress(text)]);
    expect((await refusal(encoding, another)).message).toContain('behind its end');
  });

  it('is one stream, of as many members as gzip has', async () => {
    const two = Buffer.concat([compress('{"a":1}\n'), compress(text), compress('\n')]);
    if (encoding === 'gzip') expect(await read(encoding, two)).toBe(`{"a":1}\n${text}\n`);
    else expect((await refusal(encoding, two)).code).toBe(`malformed_${encoding}`);
  });
});
