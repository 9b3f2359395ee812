import { describe, expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import type { Redis } from '../../../../shared/redis/client.ts';
import type { Formula, Meter } from '../provider/provider.ts';
import { isReadDue } from './account-meters.ts';
import type { MeterList } from './meter-list.ts';
import { createMeterNotices } from './meter-notices.ts';
import { createCatalogStore } from './stored-catalog.ts';

describe('a read of the meters', () => {
  it.each([
    [undefined, 1_000, true],
    [1_000, 1_000, false],
    [1_000, 1_999, false],
    [1_000, 2_000, true],
    [1_000, 999, true],
    [1_000, 1_500, true, 1_200],
    [1_000, 1_500, false, 999],
    [1_000, 1_500, false, 1_501],
  ])(
    'of a list from %s is due at %i: %s, when it was asked for at %s',
    (readAtMs, redisMs, due, wantedAtMs?: number) => {
      expect(isReadDue(readAtMs, redisMs, 1_000, wantedAtMs)).toBe(due);
    },
  );
});

describe("Redis' clock", () => {
  it('is read to the microsecond: a clock cut to milliseconds made a list up to one younger than it was', async () => {
    const redis = { get: () => Promise.resolve(null), time: () => Promise.resolve(['1700000000', '123456']) };
    const { redisMs } = await createCatalogStore(redis as unknown as Redis, 'test:').look();
    expect(redisMs).toBeCloseTo(1_700_000_000_123.456, 3);
  });
});

describe('what a person is told about meters', () => {
  function meterOf(eventName: string, formula: Formula, more: Partial<Meter> = {}): Meter {
    return { eventName, formula, customerKey: 'stripe_customer_id', valueKey: 'value', ...more };
  }

  // A meter was archived and made anew under its name with another formula: nobody heard of it.
  it('is a name that means another meter now, and whether what was merged before is still right', () => {
    const lines: string[] = [];
    const log = createLog({ service: 'test', level: 'info' }, { write: (line) => lines.push(line) });
    const notices = createMeterNotices(log);
    const listOf = (...meters: readonly Meter[]): MeterList => ({
      meters: new Map(meters.map((meter) => [meter.eventName, meter])),
      askedAtMs: 0,
    });
    const first = listOf(meterOf('tokens', 'sum', { id: 'mtr_1' }), meterOf('calls', 'sum', { id: 'mtr_2' }));
    const second = listOf(meterOf('tokens', 'last', { id: 'mtr_3' }), meterOf('calls', 'sum', { id: 'mtr_2' }));
    notices.changed(first, undefined);
    notices.changed(second, first);
    notices.changed(second, second);
    notices.changed(listOf(meterOf('tokens', 'last', { id: 'mtr_4' })), second, 'acct_1');
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { level: 'warn', meter: 'tokens', was: 'mtr_1', is: 'mtr_3', msg: expect.stringContaining('another formula') },
      { level: 'warn', meter: 'tokens', was: 'mtr_3', is: 'mtr_4', account: 'acct_1' },
    ]);
  });

  it('is one warning per count meter and one error per meter that overwrites, and nothing else', () => {
    const lines: string[] = [];
    const notices = createMeterNotices(
      createLog({ service: 'test', level: 'info' }, { write: (line) => lines.push(line) }),
    );
    const meters = [
      meterOf('sum', 'sum'),
      meterOf('last', 'last'),
      meterOf('count', 'count'),
      meterOf('day', 'sum', { eventTimeWindow: 'day' }),
    ];
    notices.about(meters);
    notices.about(meters);
    expect(lines.map((line) => JSON.parse(line) as { level: string; meter: string })).toMatchObject([
      { level: 'warn', meter: 'count' },
      { level: 'error', meter: 'day' },
    ]);
  });
});
