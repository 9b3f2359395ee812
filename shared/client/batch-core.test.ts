import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Batch, BatchCore, type BatchLimits, entryBytes, type Settlement } from './batch-core.ts';
import type { Verdict } from './verdict.ts';

const limits: BatchLimits = {
  batchEventsMax: 3,
  batchBytesMax: 3 * (entryBytes + 100),
  lingerMs: 5,
  requestsMax: 2,
  bufferBytesMax: 20 * (entryBytes + 1),
  giveUpAfterMs: 10_000,
  retry: { baseMs: 100, maxMs: 400 },
};

const durable: Verdict = { kind: 'sifted', rejected: new Map() };
const tooLarge: Verdict = { kind: 'too_large', fault: { code: 'too_many_events', message: 'too many' } };

function retry(mayBeCounted: boolean, afterMs = 0): Verdict {
  return { kind: 'retry', afterMs, mayBeCounted, detail: 'away' };
}

function coreWith(names: string, overrides: Partial<BatchLimits> = {}): BatchCore<string> {
  const core = new BatchCore<string>({ ...limits, ...overrides });
  for (const name of names) expect(core.add(name, name, 0)).toBe(true);
  return core;
}

function take(core: BatchCore<string>, nowMs: number): Batch<string> {
  const batch = core.take(nowMs);
  if (batch === undefined) throw new Error(`there is nothing to send at ${nowMs}`);
  return batch;
}

const textsOf = (batch: Batch<string> | undefined) => batch?.entries.map(({ text }) => text).join('');

it('lets a lonely event wait for company, and no longer than the linger', () => {
  const core = coreWith('a');
  expect(core.wakeAtMs).toBe(5);
  expect(core.take(4.9)).toBeUndefined();
  expect(textsOf(core.take(5))).toBe('a');
});

it('sends a full batch at once, by number or by size, and the rest when it is due', () => {
  const core = coreWith('abcd');
  expect(core.wakeAtMs).toBe(0);
  expect(textsOf(core.take(0))).toBe('abc');
  expect(core.take(0)).toBeUndefined();
  expect(textsOf(core.take(5))).toBe('d');

  const large = coreWith('');
  for (const letter of 'xyz') large.add(letter, letter.repeat(900), 0);
  expect(large.take(0)?.entries.map(({ ticket }) => ticket)).toEqual(['x']);
});

it('waits for nothing once it is told to flush', () => {
  const core = coreWith('a');
  core.flush();
  expect(textsOf(core.take(0))).toBe('a');
});

it('sends an event alone that is larger than a batch, and takes one that is larger than the buffer when that is empty', () => {
  const core = coreWith('');
  const text = 'x'.repeat(limits.bufferBytesMax);
  expect(core.add('huge', text, 0)).toBe(true);
  expect(core.add('small', 's', 0)).toBe(false);
  const batch = take(core, 0);
  expect(batch.entries).toHaveLength(1);
  core.settle(batch, durable, 0, 0);
  expect([core.heldBytes, core.add('small', 's', 0)]).toEqual([0, true]);
});

it('refuses what has no room until something is settled, in flight or not', () => {
  const core = coreWith('abcdefghijklmnopqrst');
  expect(core.add('u', 'u', 0)).toBe(false);
  const batch = take(core, 0);
  expect(core.add('u', 'u', 0)).toBe(false);
  core.settle(batch, durable, 0, 0);
  expect(core.add('u', 'u', 0)).toBe(true);
});

it('has no more requests at a time than it may, those that wait for their next attempt included', () => {
  const core = coreWith('abcdefghi');
  const first = take(core, 0);
  const second = take(core, 0);
  expect(core.take(0)).toBeUndefined();
  core.settle(first, retry(false), 0, 0.99);
  expect(core.take(1)).toBeUndefined();
  core.settle(second, durable, 1, 0);
  expect(textsOf(core.take(1))).toBe('ghi');
});

it('sends the same events again after a jittered delay that doubles up to its maximum, or when the sidecar says', () => {
  const core = coreWith('abc');
  let nowMs = 0;
  for (const ceilingMs of [100, 200, 400, 400]) {
    const batch = take(core, nowMs);
    expect(textsOf(batch)).toBe('abc');
    core.settle(batch, retry(false), nowMs, 0.999_999);
    expect(core.wakeAtMs).toBe(nowMs + ceilingMs);
    expect(core.take(nowMs + ceilingMs - 1)).toBeUndefined();
    nowMs += ceilingMs;
  }
  core.settle(take(core, nowMs), retry(false, 2_000), nowMs, 0);
  expect(core.wakeAtMs).toBe(nowMs + 2_000);
});

it('tells each caller what became of its own event', () => {
  const core = coreWith('abc');
  const fault = { code: 'value_invalid', message: 'value: got nothing' };
  expect(core.settle(take(core, 0), { kind: 'sifted', rejected: new Map([[1, fault]]) }, 0, 0)).toEqual([
    { ticket: 'a', settled: { kind: 'durable' } },
    { ticket: 'b', settled: { kind: 'rejected', fault, mayBeCounted: false } },
    { ticket: 'c', settled: { kind: 'durable' } },
  ]);
});

it('halves a batch that is too large until only the event at fault is refused', () => {
  const core = coreWith('abc', { requestsMax: 1 });
  const seen: string[] = [];
  const settled: Settlement<string>[] = [];
  for (let batch = core.take(0); batch !== undefined; batch = core.take(0)) {
    const texts = textsOf(batch) ?? '';
    seen.push(texts);
    settled.push(...core.settle(batch, texts.includes('b') ? tooLarge : durable, 0, 0));
  }
  expect(seen).toEqual(['abc', 'ab', 'c', 'a', 'b']);
  const kinds = Object.fromEntries(settled.map((settlement) => [settlement.ticket, settlement.settled.kind]));
  expect(kinds).toEqual({ a: 'durable', b: 'rejected', c: 'durable' });
});

it('gives up each event when its own time is over, and says whether it may be counted', () => {
  const core = coreWith('ab', { requestsMax: 1 });
  core.add('c', 'c', 6_000);
  core.settle(take(core, 6_000), retry(true), 6_000, 0);
  core.add('d', 'd', 6_000);
  expect(core.expire(9_999)).toEqual([]);
  const settled = { kind: 'undelivered', code: 'gave_up', detail: 'away', mayBeCounted: true };
  expect(core.expire(10_000)).toEqual([
    { ticket: 'a', settled },
    { ticket: 'b', settled },
  ]);
  expect(core.expire(16_000).map(({ ticket, settled }) => [ticket, settled])).toEqual([
    ['d', { ...settled, detail: undefined, mayBeCounted: false }],
    ['c', settled],
  ]);
  expect([core.heldEvents, core.heldBytes, core.wakeAtMs]).toEqual([0, 0, undefined]);
});

it('remembers through every later attempt, and through halving, that one of them may have arrived', () => {
  const core = coreWith('ab', { lingerMs: 0 });
  core.settle(take(core, 0), retry(true), 0, 0);
  core.settle(take(core, 1), retry(false), 1, 0);
  core.settle(take(core, 2), tooLarge, 2, 0);
  const refused: Verdict = { kind: 'refused', mayBeCounted: false, detail: 'the token' };
  expect(core.settle(take(core, 2), refused, 2, 0)).toEqual([
    { ticket: 'a', settled: { kind: 'undelivered', code: 'refused', detail: 'the token', mayBeCounted: true } },
  ]);
});

it('abandons everything once: queued, waiting and in flight', () => {
  const core = coreWith('abcdefgh');
  core.settle(take(core, 0), retry(false), 0, 0.99);
  const flying = take(core, 0);
  expect(
    core.abandon().map(({ ticket, settled }) => [ticket, 'mayBeCounted' in settled && settled.mayBeCounted]),
  ).toEqual([
    ...['g', 'h', 'a', 'b', 'c'].map((name) => [name, false]),
    ...['d', 'e', 'f'].map((name) => [name, true]),
  ]);
  expect(core.settle(flying, durable, 0, 0)).toEqual([]);
  expect([core.heldEvents, core.heldBytes, core.wakeAtMs, core.take(100)]).toEqual([0, 0, undefined, undefined]);
});

it('settles every event exactly once, whatever is answered and when, and always says when to look again', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), size: fc.integer({ min: 0, max: 900 }) }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 300 }) }),
    fc.record({
      kind: fc.constant('answer' as const),
      which: fc.nat(3),
      verdict: fc.constantFrom<Verdict>(
        durable,
        retry(true),
        retry(false, 50),
        tooLarge,
        { kind: 'refused', mayBeCounted: false, detail: '' },
        { kind: 'sifted', rejected: new Map([[0, { code: 'x', message: 'y' }]]) },
      ),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (steps, random) => {
      const core = new BatchCore<number>({ ...limits, giveUpAfterMs: 700 });
      const held = new Set<number>();
      const flying: Batch<number>[] = [];
      let nowMs = 0;
      let number = 0;
      const settle = (settlements: readonly Settlement<number>[]): void => {
        for (const { ticket } of settlements) expect(held.delete(ticket)).toBe(true);
      };
      const pump = (): void => {
        settle(core.expire(nowMs));
        for (let batch = core.take(nowMs); batch !== undefined; batch = core.take(nowMs)) flying.push(batch);
        expect(flying.length).toBeLessThanOrEqual(limits.requestsMax);
        expect(core.heldEvents).toBe(held.size);
        if (held.size === 0) expect([core.heldBytes, core.wakeAtMs]).toEqual([0, undefined]);
        else if (flying.length === 0) expect(core.wakeAtMs).toBeGreaterThan(nowMs);
      };
      for (const step of steps) {
        if (step.kind === 'add' && core.add(number, 'x'.repeat(step.size), nowMs)) held.add(number++);
        if (step.kind === 'pass') nowMs += step.ms;
        if (step.kind === 'answer') {
          const [batch] = flying.splice(step.which, 1);
          if (batch !== undefined) settle(core.settle(batch, step.verdict, nowMs, random));
        }
        pump();
      }
      for (const batch of flying.splice(0)) settle(core.settle(batch, retry(true), nowMs, random));
      nowMs += 700;
      settle(core.expire(nowMs));
      expect([held.size, core.heldBytes]).toEqual([0, 0]);
    }),
  );
});

// `push(...settled)` has one argument per event: with a buffer of 64 MiB and more it threw, in the process of the application.
it('gives up what is too old, however much it is', () => {
  const core = new BatchCore<number>({ ...limits, bufferBytesMax: 1_024 * 1_024 * 1_024 });
  for (let event = 0; event < 200_000; event++) core.add(event, String(event), 0);
  expect(core.expire(limits.giveUpAfterMs)).toHaveLength(200_000);
  expect(core.heldBytes).toBe(0);
});
