import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Breaker, type BreakerOptions, type BreakerState, createBreaker } from './breaker.ts';
import type { Outcome } from './provider.ts';

const entry = { identifier: 'i', customer: 'c', meter: 'm', value: '1', timestamp: 1, windowStartMs: 0, events: 1 };
const accepted: Outcome = { kind: 'accepted' };
const unknown: Outcome = { kind: 'unknown', reason: 'HTTP 500' };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A breaker round a provider that answers as it is told, one that opens after five calls. */
function breakerOf(options: BreakerOptions = {}): {
  breaker: Breaker;
  answers: (outcome: Outcome) => void;
  calls: () => number;
  states: BreakerState[];
} {
  let outcome = accepted;
  let calls = 0;
  const states: BreakerState[] = [];
  const breaker = createBreaker(
    { send: () => (calls++, Promise.resolve(outcome)) },
    {
      resetMs: 1_000,
      callsMin: 5,
      ...options,
    },
  );
  breaker.onChange((state) => states.push(state));
  return { breaker, answers: (next) => (outcome = next), calls: () => calls, states };
}

async function send(breaker: Breaker, times: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let call = 0; call < times; call++) outcomes.push(await breaker.send(entry, undefined));
  return outcomes;
}

describe('the breaker', () => {
  it.each<Outcome>([unknown, { kind: 'unsent', reason: 'ECONNREFUSED' }])(
    'opens when most calls end as $kind, and passes each outcome on',
    async (outcome) => {
      const { breaker, answers, states } = breakerOf();
      answers(outcome);
      expect(await send(breaker, 5)).toEqual(Array(5).fill(outcome));
      expect(breaker.state).toBe('open');
      expect(states).toEqual(['open']);
    },
  );

  it.each<Outcome>([
    { kind: 'refused', reason: 'no such customer' },
    { kind: 'throttled', scope: 'account', limit: 'other', reason: '429' },
    { kind: 'throttled', scope: 'lane', reason: '409' },
  ])('stays closed when all calls end as $kind', async (outcome) => {
    const { breaker, answers } = breakerOf();
    answers(outcome);
    expect(await send(breaker, 50)).toEqual(Array(50).fill(outcome));
    expect(breaker.state).toBe('closed');
  });

  it('stays closed when half of the calls fail, or too few were made to tell', async () => {
    const { breaker, answers } = breakerOf();
    await send(breaker, 10);
    answers(unknown);
    await send(breaker, 10);
    expect(breaker.state).toBe('closed');
    const few = breakerOf();
    few.answers(unknown);
    await send(few.breaker, 4);
    expect(few.breaker.state).toBe('closed');
  });

  it('answers unsent while it is open, and calls nobody', async () => {
    const { breaker, answers, calls } = breakerOf();
    answers(unknown);
    await send(breaker, 5);
    expect(await send(breaker, 1)).toEqual([{ kind: 'unsent', reason: 'the breaker let no call through: HTTP 500' }]);
    expect(calls()).toBe(5);
  });

  it('lets one call through after a while, and closes when it is answered', async () => {
    const { breaker, answers, calls, states } = breakerOf();
    answers(unknown);
    await send(breaker, 5);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(breaker.state).toBe('half_open');
    answers({ kind: 'refused', reason: 'no such customer' });
    const both = await Promise.all([breaker.send(entry, undefined), breaker.send(entry, undefined)]);
    expect(both.map(({ kind }) => kind)).toEqual(['refused', 'unsent']);
    expect(calls()).toBe(6);
    expect(states).toEqual(['open', 'half_open', 'closed']);
  });

  it('opens again when the one call fails', async () => {
    const { breaker, answers, states } = breakerOf();
    answers(unknown);
    await send(breaker, 5);
    await vi.advanceTimersByTimeAsync(1_000);
    await send(breaker, 1);
    expect(states).toEqual(['open', 'half_open', 'open']);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(breaker.state).toBe('half_open');
  });

  it('opens at the first call that is not authorized, and stays open for longer each time', async () => {
    const { breaker, answers, calls, states } = breakerOf({ resetMaxMs: 3_000 });
    const unauthorized: Outcome = { kind: 'unauthorized', reason: 'Invalid API Key' };
    answers(unauthorized);
    expect(await send(breaker, 1)).toEqual([unauthorized]);
    expect(states).toEqual(['open']);
    for (const [probe, openMs] of [1_000, 2_000, 3_000, 3_000].entries()) {
      await vi.advanceTimersByTimeAsync(openMs - 1);
      expect(breaker.state).toBe('open');
      await vi.advanceTimersByTimeAsync(1);
      expect(await send(breaker, 1)).toEqual([unauthorized]);
      expect(calls()).toBe(2 + probe);
    }
    await vi.advanceTimersByTimeAsync(3_000);
    answers(accepted);
    await send(breaker, 1);
    expect(breaker.state).toBe('closed');
    answers(unauthorized);
    await send(breaker, 1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(breaker.state).toBe('half_open');
  });

  // A customer that always fails was retried in the quiet after a flush, when nobody else was called: all calls of ten seconds had
  // failed, the breaker opened, and the next flush of everybody else waited behind the probes of that customer.
  it('does not count the failures of a customer that fails while others are served', async () => {
    const { breaker, answers, states } = breakerOf();
    const of = (customer: string): Promise<Outcome> => breaker.send({ ...entry, customer }, undefined);
    answers(unknown);
    await of('broken');
    answers(accepted);
    await vi.advanceTimersByTimeAsync(1);
    await of('well');
    answers(unknown);
    for (let call = 0; call < 50; call++) expect(await of('broken')).toEqual(unknown);
    expect(states).toEqual([]);
    answers(accepted);
    await of('broken');
    answers(unknown);
    await vi.advanceTimersByTimeAsync(20_000);
    for (let call = 0; call < 5; call++) await of('broken');
    expect(states).toEqual(['open']);
  });

  // One customer's calls failed for one meter and were accepted for another: each acceptance had the failures of the first counted anew.
  it('does not count the failures of one meter of a customer whose other meters are served', async () => {
    const { breaker, answers, states } = breakerOf();
    const of = (name: string): Promise<Outcome> => breaker.send({ ...entry, meter: name }, undefined);
    for (let call = 0; call < 20; call++) {
      answers(unknown);
      await vi.advanceTimersByTimeAsync(1);
      for (let failed = 0; failed < 3; failed++) await of('broken');
      answers(accepted);
      await vi.advanceTimersByTimeAsync(1);
      await of('well');
    }
    expect(states).toEqual([]);
  });

  it('opens for few customers too, if all of them fail', async () => {
    const { breaker, answers, states } = breakerOf();
    await send(breaker, 1);
    answers(unknown);
    await vi.advanceTimersByTimeAsync(20_000);
    await send(breaker, 5);
    expect(states).toEqual(['open']);
  });

  it('takes a provider that rejects, against its word, for an unknown outcome', async () => {
    const breaker = createBreaker({ send: () => Promise.reject(new Error('bug')) });
    expect(await breaker.send(entry, undefined)).toEqual({ kind: 'unknown', reason: 'Error: bug' });
    breaker.stop();
  });
});
