import { expect, it } from 'vitest';
import { cursorFileBytes, cursorSlotBytes, decodeCursor, encodeCursor, type StoredCursor } from './cursor.ts';

function file(...cursors: readonly StoredCursor[]): Buffer {
  const bytes = Buffer.alloc(cursorFileBytes);
  for (const cursor of cursors) encodeCursor(cursor).copy(bytes, (cursor.turn % 2) * cursorSlotBytes);
  return bytes;
}

const older = { turn: 6, segment: 2, offset: 100 };
const newer = { turn: 7, segment: 3, offset: 2 ** 40 };

it('is the newer of the two that were written in turn', () => {
  expect(decodeCursor(file(older, newer))).toEqual(newer);
  expect(decodeCursor(file(newer, { ...older, turn: 8 }))).toEqual({ ...older, turn: 8 });
});

it('is the older one when the write of the newer was cut at any byte', () => {
  const before = file(older);
  const bytes = encodeCursor(newer);
  for (let cut = 0; cut < bytes.byteLength; cut++) {
    const torn = Buffer.from(before);
    bytes.copy(torn, cursorSlotBytes, 0, cut);
    // The last bytes of an offset are zero: cut there, it is whole.
    const isWhole = torn.equals(file(older, newer));
    expect(decodeCursor(torn), `cut at ${cut}`).toEqual(isWhole ? newer : older);
  }
});

it('is none in a file that is new, or full of something else', () => {
  expect(decodeCursor(Buffer.alloc(cursorFileBytes))).toBeUndefined();
  expect(decodeCursor(Buffer.alloc(cursorFileBytes, 1))).toBeUndefined();
  expect(decodeCursor(Buffer.alloc(0))).toBeUndefined();
});
