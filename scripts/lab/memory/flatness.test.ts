import { expect, it } from 'vitest';
import { flatnessOf, type Sample } from './flatness.ts';

const durationMs = 100_000;

function samples(bytesAt: (elapsedMs: number) => number): readonly Sample[] {
  return Array.from({ length: 100 }, (_, second) => ({ elapsedMs: second * 1_000, bytes: bytesAt(second * 1_000) }));
}

it('does not mind the warm-up, nor the teeth of the garbage collector', () => {
  const saw = samples((elapsedMs) => (elapsedMs < 30_000 ? elapsedMs : 200_000) + (elapsedMs % 5_000) * 20);
  expect(flatnessOf(saw, durationMs).ratio).toBeLessThan(1.2);
});

it('sees growth that is small against the teeth', () => {
  const leak = samples((elapsedMs) => 200_000 + elapsedMs + (elapsedMs % 5_000) * 20);
  expect(flatnessOf(leak, durationMs).ratio).toBeGreaterThan(1.2);
});

it('says nothing about a run without samples', () => {
  expect(() => flatnessOf([], durationMs)).toThrow('too short');
});
