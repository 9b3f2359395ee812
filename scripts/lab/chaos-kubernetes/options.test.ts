import { expect, it } from 'vitest';
import { attempt } from '../../commands/testing/attempt.ts';
import { chaosProgram, type CommandLine } from './options.ts';

async function parse(line: string): Promise<CommandLine | string> {
  let parsed: CommandLine | undefined;
  const program = chaosProgram(
    (options) => {
      parsed = options;
      return 0;
    },
    () => 0.5,
  );
  const { stderr } = await attempt(program, line.split(' ').filter(Boolean));
  return parsed ?? stderr;
}

it('has defaults, a seed by chance, and takes everything by name', async () => {
  expect(await parse('--kubernetes')).toEqual({
    namespace: 'tallyman',
    context: undefined,
    faults: 30,
    events: 300_000,
    ratePerS: 1_000,
    seed: 500_000,
  });
  const line = '--namespace n --context c --faults 2 --events 3 --rate 4 --seed 5';
  expect(await parse(line)).toEqual({ namespace: 'n', context: 'c', faults: 2, events: 3, ratePerS: 4, seed: 5 });
});

it.each(['--faults none', '--seed 0', '--unknown', 'stray'])('refuses %s', async (line) => {
  expect(await parse(line)).toContain('See ./scripts/chaos --kubernetes --help');
});
