import { expect, it } from 'vitest';
import { parseOptions, UsageError } from './options.ts';

it('has defaults, a seed by chance, and takes everything by name', () => {
  expect(parseOptions([], () => 0.5)).toEqual({
    namespace: 'tallyman',
    context: undefined,
    faults: 30,
    events: 300_000,
    ratePerS: 1_000,
    seed: 500_000,
  });
  const args = '--namespace n --context c --faults 2 --events 3 --rate 4 --seed 5'.split(' ');
  expect(parseOptions(args)).toEqual({ namespace: 'n', context: 'c', faults: 2, events: 3, ratePerS: 4, seed: 5 });
});

it.each([['--faults', 'none'], ['--seed', '0'], ['--unknown'], ['stray']])('refuses %s %s', (...args) => {
  expect(() => parseOptions(args.filter((arg) => arg !== undefined))).toThrow(UsageError);
});
