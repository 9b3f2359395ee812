import { expect, it } from 'vitest';
import { nearestName } from './nearest.ts';

const known = ['TALLYMAN_SHARDS', 'TALLYMAN_PORT', 'TALLYMAN_STRIPE_TIMEOUT_MS'];

it('finds the name that was meant through a slip of the keyboard', () => {
  expect(nearestName('TALLYMAN_SHARD', known)).toBe('TALLYMAN_SHARDS');
  expect(nearestName('TALLYMAN_PROT', known)).toBe('TALLYMAN_PORT');
  expect(nearestName('TALLYMAN_STRIPE_TIMEOUT', known)).toBe('TALLYMAN_STRIPE_TIMEOUT_MS');
});

it('suggests nothing for a name that is like none', () => {
  expect(nearestName('TALLYMAN_BREAKFAST_MENU', known)).toBeUndefined();
});
