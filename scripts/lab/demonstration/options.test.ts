import { describe, expect, it } from 'vitest';
import { parseOptions, usage, UsageError } from './options.ts';

describe('parseOptions', () => {
  it('takes what the usage says, and paces the load so that it lasts', () => {
    expect(parseOptions([])).toEqual({
      events: 100_000,
      customers: 500,
      publishers: 2,
      consumers: 2,
      ratePerS: 5_000,
      chaos: false,
      keep: false,
      external: false,
    });
    const big = ['--events', '1000000', '--customers', '5000', '--publishers=3', '--consumers', '3', '--chaos'];
    expect(parseOptions(big)).toMatchObject({
      events: 1_000_000,
      customers: 5_000,
      publishers: 3,
      ratePerS: 50_000,
      chaos: true,
    });
  });

  it('refuses what it does not know, and says what a number may be', () => {
    expect(() => parseOptions(['--evnts', '5'])).toThrow(UsageError);
    expect(() => parseOptions(['five'])).toThrow(UsageError);
    expect(() => parseOptions(['--events', '1e6'])).toThrow('--events is "1e6"; it may be a whole number from 1 to');
    expect(() => parseOptions(['--consumers', '0'])).toThrow(UsageError);
  });

  it('has every option in its usage', () => {
    expect(parseOptions(['--help'])).toBe('help');
    for (const name of [
      'events',
      'customers',
      'publishers',
      'consumers',
      'rate',
      'chaos',
      'keep',
      'external',
      'help',
    ]) {
      expect(usage).toContain(`--${name}`);
    }
  });
});
