import { describe, expect, it } from 'vitest';
import { parseOptions, UsageError } from './options.ts';

describe('parseOptions', () => {
  it('leaves open what depends on what is measured', () => {
    expect(parseOptions([])).toEqual({
      events: undefined,
      batch: undefined,
      publishers: undefined,
      consumers: undefined,
      customers: undefined,
      connections: undefined,
      runs: 3,
      backlog: false,
      durationS: 1_200,
      ratePerS: 10_000,
      profile: undefined,
    });
  });

  it('takes what is given', () => {
    const options = parseOptions('--backlog --duration 60 --rate 500 --customers 20 --consumers 3'.split(' '));
    expect(options).toMatchObject({ backlog: true, durationS: 60, ratePerS: 500, customers: 20, consumers: 3 });
    expect(parseOptions(['--help'])).toBe('help');
  });

  it.each([['--runs', '0'], ['--events', '1e6'], ['--batch', '-1'], ['--fast'], ['extra']])(
    'refuses %s %s',
    (...args) => {
      expect(() => parseOptions(args)).toThrow(UsageError);
    },
  );
});
