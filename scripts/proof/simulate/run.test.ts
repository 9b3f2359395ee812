import { describe, expect, it } from 'vitest';
import { outages } from './faults.ts';
import { unlistedWays } from './models/model-provider.ts';
import { profileNames } from './drawing/profile.ts';
import { runSeed } from './run.ts';
import { drawSchedule } from './drawing/schedule.ts';
import { Tally } from './time/tally.ts';

const seeds = Array.from({ length: 120 }, (_, index) => index + 1);

describe('the simulation', { timeout: 120_000 }, () => {
  it('finds nothing violated in 120 seeds, in which everything has happened', () => {
    const tally = new Tally();
    for (const seed of seeds) {
      const result = runSeed(seed, { trace: false });
      expect(result.violations, `npm run simulate -- --seed ${seed}`).toEqual([]);
      tally.addAll(result.tally);
    }
    const happened = [
      ...profileNames.map((name) => `profile: ${name}`),
      ...outages.map((mode) => `outage: ${mode}`),
      ...unlistedWays.map((way) => `meters unlisted: ${way}`),
      'answers 202',
      'answers 503',
      'breaker opened',
      'calls for what the provider had',
      'client retries',
      'clocks hours ahead',
      'clocks hours behind',
      'consumers halted',
      'commits refused: stale',
      'deferred entries accepted',
      'drains finished',
      'duplicate events found',
      'entries dead',
      'entries deferred',
      'entries in_doubt',
      'events with additional dimensions',
      'connected accounts out of order',
      'connected accounts whose meters cannot be read',
      'deferred entries deferred',
      'fault: account_revoked',
      'fault: broker_power_loss',
      'fault: clock_jump',
      'fault: consumer_crash',
      'fault: consumer_freeze',
      'fault: windows_change',
      'fault: redis_loses_writes',
      'journal requests without answer',
      'last consumers drained',
      'lines of the bill checked',
      'messages published again',
      'messages replayed',
      'messages resurrected',
      'messages returned',
      'messages spooled',
      'prefetch tuned',
      'recovered by a person',
      'replies lost',
      'takeovers',
      'tenures ended: lease_expired',
      'tenures ended: stale',
      'unreadable messages',
    ];
    expect(happened.filter((what) => tally.get(what) === 0)).toEqual([]);
    // Most lines have to be compared: a checker that gives up finds nothing.
    expect(tally.get('lines of the bill not checked')).toBeLessThan(tally.get('lines of the bill checked') / 50);
  });

  it('ends 30 hours of ambiguous calls with every entry settled once, dead, or in doubt with a reason', () => {
    const isOutage = (seed: number): boolean => drawSchedule(seed).profile.name === 'long_ambiguous_outage';
    const outages = Array.from({ length: 2_000 }, (_, index) => index + 1)
      .filter(isOutage)
      .slice(0, 40);
    const tally = new Tally();
    for (const seed of outages) {
      const result = runSeed(seed, { trace: false });
      // That nothing else is in doubt than what was attempted is the checker's to find.
      expect(result.violations, `npm run simulate -- --seed ${seed}`).toEqual([]);
      tally.addAll(result.tally);
    }
    expect(outages).toHaveLength(40);
    expect(tally.get('calls unknown')).toBeGreaterThan(tally.get('calls accepted') / 4);
    for (const state of ['entries in_doubt', 'entries dead', 'deferred entries accepted', 'deferred entries in_doubt'])
      expect(tally.get(state), state).toBeGreaterThan(0);
  });

  it('does the same again when it is given the same seed, with a trace and without', () => {
    for (const seed of [3, 14, 15, 92]) {
      const [first, second] = [runSeed(seed, { trace: true }), runSeed(seed, { trace: true })];
      expect(first.trace.length).toBeGreaterThan(50);
      expect(second.trace).toEqual(first.trace);
      const untraced = runSeed(seed, { trace: false });
      expect([untraced.virtualMs, untraced.steps]).toEqual([first.virtualMs, first.steps]);
    }
  });

  it('does something else for another seed', () => {
    const fingerprints = seeds.slice(0, 20).map((seed) => {
      const { virtualMs, steps } = runSeed(seed, { trace: false });
      return `${virtualMs} ${steps}`;
    });
    expect(new Set(fingerprints).size).toBe(fingerprints.length);
  });
});
