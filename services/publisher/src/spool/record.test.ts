import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { record } from './bench.ts';
import { encodeRecord, scan, type SpoolRecord } from './record.ts';

const records = (bytes: Buffer, isEnd = true): readonly SpoolRecord[] =>
  scan(bytes, isEnd).stretches.flatMap((stretch) => (stretch.kind === 'record' ? [stretch.record] : []));

const anyRecord = fc.record({
  origin: fc.record({
    producer: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
    slot: fc.integer({ min: 0, max: 63 }),
    sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  }),
  acceptedAtMs: fc.integer({ min: 0, max: 4e12 }),
  body: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});

describe('a record', () => {
  it('is read as it was written, whatever is in it', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 5 }), (written) => {
        expect(records(Buffer.concat(written.map(encodeRecord)))).toEqual(written);
      }),
    );
  });

  it('keeps its place in every byte, or old segments could not be read any more', () => {
    const bytes = encodeRecord({
      origin: { producer: 'abc', slot: 57, sequence: 2 ** 40 },
      acceptedAtMs: 1_795_426_200_250,
      body: Buffer.from('{"x":1}'),
    });
    expect(bytes.toString('hex')).toBe(
      'f5544df6b377280b2a000000010339000000000000010000baaabd07a20100006162637b2278223a317d',
    );
  });
});

describe('scan', () => {
  const three = [record(1), record(2, 'x'.repeat(60)), record(3)];
  const encoded = three.map(encodeRecord);
  const bytes = Buffer.concat(encoded);

  it('finds every whole record of bytes that are cut anywhere, and calls the rest damaged', () => {
    for (let cut = 0; cut <= bytes.byteLength; cut++) {
      const whole = [1, 2, 3].filter((count) => Buffer.concat(encoded.slice(0, count)).byteLength <= cut).length;
      const found = scan(bytes.subarray(0, cut), true);
      expect(records(bytes.subarray(0, cut))).toEqual(three.slice(0, whole));
      expect(found.scanned).toBe(cut);
      const wholeBytes = Buffer.concat(encoded.slice(0, whole)).byteLength;
      expect(found.stretches.length).toBe(whole + (cut > wholeBytes ? 1 : 0));
    }
  });

  it('waits for the rest of a record while more bytes follow', () => {
    for (let cut = 0; cut < bytes.byteLength; cut++) {
      const { scanned } = scan(bytes.subarray(0, cut), false);
      expect(scan(bytes.subarray(scanned), true).stretches.length).toBeGreaterThan(0);
      const both = [...records(bytes.subarray(0, scanned)), ...records(bytes.subarray(scanned))];
      expect(both).toEqual(three);
    }
  });

  it('goes on behind a byte that was changed, wherever it is', () => {
    const [first = bytes, second = bytes] = encoded;
    for (let place = first.byteLength; place < first.byteLength + second.byteLength; place++) {
      const damaged = Buffer.from(bytes);
      damaged[place] = (damaged[place] ?? 0) ^ 0x10;
      expect(records(damaged)).toEqual([three[0], three[2]]);
    }
  });

  it('goes on behind bytes that were overwritten, and never makes up a record', () => {
    fc.assert(
      fc.property(
        fc.array(anyRecord, { minLength: 1, maxLength: 6 }),
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        (written, at, noise) => {
          const parts = written.map(encodeRecord);
          const all = Buffer.concat(parts);
          const from = at % all.byteLength;
          const to = Math.min(all.byteLength, from + noise.length);
          Buffer.from(noise).copy(all, from);
          let end = 0;
          const untouched = written.filter((_, index) => {
            const start = end;
            end += parts[index]?.byteLength ?? 0;
            return end <= from || start >= to;
          });
          const found = records(all);
          for (const each of untouched) expect(found).toContainEqual(each);
          for (const each of found) expect(written).toContainEqual(each);
        },
      ),
    );
  });

  it('keeps a sound record of a later version apart from damage', () => {
    const later = Buffer.from(encodeRecord(record(1)));
    later.writeUInt8(2, 12);
    later.writeUInt32LE(crcOf(later), 4);
    expect(scan(Buffer.concat([later, bytes]), true).stretches.map(({ kind }) => kind)).toEqual([
      'unknown',
      'record',
      'record',
      'record',
    ]);
  });
});

function crcOf(bytes: Buffer): number {
  return crc32(bytes.subarray(8));
}
