import { describe, expect, it } from 'vitest';
import { type Case, cases } from './points/faults.ts';
import { parseOptions } from './options.ts';

const today = Date.UTC(2026, 10, 22, 12);
const dayMs = 24 * 60 * 60 * 1_000;
const selected = (args: readonly string[], nowMs = today): readonly Case[] => {
  const options = parseOptions(args, nowMs);
  if (options === 'help' || options.mode !== 'cases') throw new Error('cases were expected');
  return options.cases;
};

describe('the options', () => {
  it('select everything, one point, one fault or one case', () => {
    expect(selected([])).toEqual(cases);
    expect(new Set(selected(['--point', 'seal']).map(({ point }) => point))).toEqual(new Set(['seal']));
    expect(selected(['--point', 'seal', '--fault', 'kill-redis'])).toEqual([
      { point: 'seal', fault: { action: 'kill', target: 'redis' } },
    ]);
  });

  it('have ten tenths that are everything together', () => {
    const tenths = Array.from({ length: 10 }, (_, tenth) => selected(['--tenth', String(tenth)]));
    expect(tenths.flat()).toHaveLength(cases.length);
    expect(new Set(tenths.flat())).toEqual(new Set(cases));
  });

  it('take another tenth every day, until all were taken', () => {
    const tenDays = Array.from({ length: 10 }, (_, day) => selected(['--tenth', 'today'], today + day * dayMs));
    expect(new Set(tenDays.flat())).toEqual(new Set(cases));
  });

  it('read a soak', () => {
    const soak = { mode: 'soak', durationMs: 600_000, ratePerS: 20_000, seed: 7 };
    expect(parseOptions(['--soak', '10m', '--seed', '7'], today)).toEqual(soak);
    expect(parseOptions(['--soak', '90s', '--seed', '7', '--rate', '500'], today)).toEqual({
      ...soak,
      durationMs: 90_000,
      ratePerS: 500,
    });
  });

  it.each([
    [['--soak', 'long'], '--soak is "long"'],
    [['--soak', '1m', '--takeovers', '3'], '--soak and --takeovers'],
    [['--list', '--point', 'seal'], '--point selects cases'],
    [['--rate', '5'], '--rate is the rate of a --soak'],
    [['--tenth', '10'], '0 to 9'],
    [['--point', 'nowhere'], 'no point "nowhere"'],
    [['--fault', 'kill-time'], 'no fault "kill-time"'],
    [['--point', 'confirm', '--fault', 'kill-redis'], 'kill-redis at confirm is no case: a publisher knows no Redis'],
    [['--sok', '1m'], "Unknown option '--sok'"],
  ])('refuse %j', (args, message) => {
    expect(() => parseOptions(args, today)).toThrow(message);
  });
});
