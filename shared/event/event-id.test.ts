import { expect, it } from 'vitest';
import { newEventId } from './event-id.ts';

it('makes UUIDs of version 7 that begin with the time', () => {
  const nowMs = Date.UTC(2026, 10, 22, 9, 30);
  const id = newEventId(nowMs);
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(nowMs);
});

it('never repeats itself, also where its pool of random bytes is renewed', () => {
  const ids = Array.from({ length: 5_000 }, () => newEventId(0));
  expect(new Set(ids).size).toBe(ids.length);
});

it('uses all of its random bits', () => {
  const ids = Array.from({ length: 2_000 }, () => newEventId(0).replaceAll('-', ''));
  const fixed = [12, 16];
  for (let position = 12; position < 32; position++) {
    if (fixed.includes(position)) continue;
    expect(new Set(ids.map((id) => id[position])).size, `position ${position}`).toBe(16);
  }
  expect(new Set(ids.map((id) => id[16]))).toEqual(new Set('89ab'));
});
