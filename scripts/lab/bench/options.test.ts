import { expect, it } from 'vitest';
import { attempt } from '../../commands/testing/attempt.ts';
import { type BenchOptions, benchProgram } from './options.ts';

async function parse(line: string): Promise<BenchOptions | string> {
  let parsed: BenchOptions | undefined;
  const program = benchProgram((options) => {
    parsed = options;
    return 0;
  });
  const { stderr } = await attempt(program, line.split(' ').filter(Boolean));
  return parsed ?? stderr;
}

it('leaves open what depends on what is measured', async () => {
  expect(await parse('')).toEqual({
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

it('takes what is given', async () => {
  const options = await parse('--backlog --duration 60 --rate 500 --customers 20 --consumers 3');
  expect(options).toMatchObject({ backlog: true, durationS: 60, ratePerS: 500, customers: 20, consumers: 3 });
});

it.each(['--runs 0', '--events 1e6', '--batch -1', '--fast', 'extra'])('refuses %s', async (line) => {
  expect(await parse(line)).toContain('See npm run bench -- --help');
});
