import { describe, expect, it } from 'vitest';
import { type Case, cases } from './points/faults.ts';
import { attempt } from '../../commands/testing/attempt.ts';
import { type ChaosOptions, chaosProgram } from './options.ts';

const today = Date.UTC(2026, 10, 22, 12);
const dayMs = 24 * 60 * 60 * 1_000;
async function parse(args: readonly string[], nowMs = today): Promise<ChaosOptions | string> {
  let parsed: ChaosOptions | undefined;
  const program = chaosProgram((options) => {
    parsed = options;
    return 0;
  }, nowMs);
  const { stderr } = await attempt(program, args);
  return parsed ?? stderr;
}
async function selected(args: readonly string[], nowMs = today): Promise<readonly Case[]> {
  const options = await parse(args, nowMs);
  if (typeof options === 'string' || options.mode !== 'cases') throw new Error('cases were expected');
  return options.cases;
}

describe('the options', () => {
  it('select everything, one point, one fault or one case', async () => {
    expect(await selected([])).toEqual(cases);
    expect(new Set((await selected(['--point', 'seal'])).map(({ point }) => point))).toEqual(new Set(['seal']));
    expect(await selected(['--point', 'seal', '--fault', 'kill-redis'])).toEqual([
      { point: 'seal', fault: { action: 'kill', target: 'redis' } },
    ]);
  });

  it('have ten tenths that are everything together', async () => {
    const tenths = await Promise.all(Array.from({ length: 10 }, (_, tenth) => selected(['--tenth', String(tenth)])));
    expect(tenths.flat()).toHaveLength(cases.length);
    expect(new Set(tenths.flat())).toEqual(new Set(cases));
  });

  it('take another tenth every day, until all were taken', async () => {
    const tenDays = await Promise.all(
      Array.from({ length: 10 }, (_, day) => selected(['--tenth', 'today'], today + day * dayMs)),
    );
    expect(new Set(tenDays.flat())).toEqual(new Set(cases));
  });

  it('read a soak', async () => {
    const soak = { mode: 'soak', durationMs: 600_000, ratePerS: 20_000, seed: 7 };
    expect(await parse(['--soak', '10m', '--seed', '7'])).toEqual(soak);
    expect(await parse(['--soak', '90s', '--seed', '7', '--rate', '500'])).toEqual({
      ...soak,
      durationMs: 90_000,
      ratePerS: 500,
    });
  });

  it.each([
    [['--soak', 'long'], '--soak must be a duration like 90s, 15m, 2h or 3d, not "long".'],
    [['--soak', '1m', '--takeovers', '3'], 'Options --soak and --takeovers cannot be combined.'],
    [['--list', '--point', 'seal'], 'Options --list and --point cannot be combined.'],
    [['--rate', '5'], '--rate is the rate of a --soak'],
    [['--tenth', '10'], '0 to 9'],
    [['--point', 'nowhere'], 'no point "nowhere"'],
    [['--fault', 'kill-time'], 'no fault "kill-time"'],
    [['--point', 'confirm', '--fault', 'kill-redis'], 'kill-redis at confirm is no case: a publisher knows no Redis'],
    [['--sok', '1m'], 'Unknown option: --sok; did you mean --soak?'],
  ])('refuse %j', async (args, message) => {
    expect(await parse(args)).toContain(message);
  });
});
