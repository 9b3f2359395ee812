import { expect, it } from 'vitest';
import { attempt } from '../../commands/testing/attempt.ts';
import { type DemoOptions, demoProgram } from './options.ts';

async function parse(...args: readonly string[]): Promise<DemoOptions | string> {
  let parsed: DemoOptions | undefined;
  const program = demoProgram((options) => {
    parsed = options;
    return 0;
  });
  const { stderr } = await attempt(program, args);
  return parsed ?? stderr;
}

it('takes what the help says, and paces the load so that it lasts', async () => {
  expect(await parse()).toEqual({
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
  expect(await parse(...big)).toMatchObject({
    events: 1_000_000,
    customers: 5_000,
    publishers: 3,
    ratePerS: 50_000,
    chaos: true,
  });
});

it('refuses what it does not know, and says what a number must be', async () => {
  expect(await parse('--evnts', '5')).toContain('Unknown option: --evnts; did you mean --events?');
  expect(await parse('five')).toContain('Expected 0 arguments, not 1: five.');
  expect(await parse('--events', '1e6')).toContain('--events must be a whole number from 1 to 100000000, not "1e6".');
  expect(await parse('--consumers', '0')).toContain('--consumers must be');
});
