import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../metrics.ts';
import type { Outcome } from '../outbox/outbox.ts';
import { Admission } from './admission.ts';
import { json } from './json.ts';
import { RequestFault } from './request-fault.ts';
import { TestOutbox } from './testing.ts';

interface Verdict {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly outcome: Outcome;
}

function start() {
  const outbox = new TestOutbox();
  outbox.outcome = undefined;
  const metrics = createMetrics(new Registry(), () => ({ unconfirmedMessages: 0, heldBytes: 0, connected: true }));
  const admission = new Admission({ outbox, metrics, meters: undefined, requestEventsMax: 100 });
  /** What became of a request; empty while it is not known. */
  const take = (events: readonly unknown[], whole = false): Verdict[] => {
    const verdicts: Verdict[] = [];
    const verdict = (
      sifted: { accepted: readonly unknown[]; duplicates: number; rejected: readonly unknown[] },
      outcome: Outcome,
    ): void => {
      const { accepted, duplicates, rejected } = sifted;
      verdicts.push({ accepted: accepted.length, duplicates, rejected: rejected.length, outcome });
    };
    admission.take(events, json.validate, verdict, whole);
    return verdicts;
  };
  return { admission, outbox, take };
}

const event = (id: string) => ({ id, customer: 'cus_a', meter: 'tokens' });

describe('a request that is only judged', () => {
  const judge = (admission: Admission, events: readonly unknown[]): Verdict[] => {
    const verdicts: Verdict[] = [];
    admission.judge(events, json.validate, ({ accepted, duplicates, rejected }, outcome) => {
      verdicts.push({ accepted: accepted.length, duplicates, rejected: rejected.length, outcome });
    });
    return verdicts;
  };

  it('is told what would become of its events, and nothing is taken or remembered', () => {
    const { admission, outbox, take } = start();
    take([event('a')]);
    outbox.settle('durable');
    const events = [event('a'), event('b'), event('b'), { id: 'c' }];
    const expected = { accepted: 1, duplicates: 2, rejected: 1, outcome: 'durable' };
    expect(judge(admission, events)).toEqual([expected]);
    expect(judge(admission, events)).toEqual([expected]);
    expect(outbox.submitted).toHaveLength(1);
    const taken = take(events);
    outbox.settle('durable');
    expect(taken).toEqual([expected]);
  });

  it('waits for what is under way, as the request itself would', () => {
    const { admission, outbox, take } = start();
    take([event('a')]);
    const first = judge(admission, [event('a')]);
    expect(first).toEqual([]);
    outbox.settle('expired');
    expect(first).toMatchObject([{ outcome: 'expired' }]);
    expect(judge(admission, [event('a')])).toMatchObject([{ accepted: 1, duplicates: 0, outcome: 'durable' }]);
  });
});

describe('a repetition', () => {
  it('of what is durable is a duplicate, and is not submitted', () => {
    const { outbox, take } = start();
    take([event('a')]);
    outbox.settle('durable');
    expect(take([event('a')])).toEqual([{ accepted: 0, duplicates: 1, rejected: 0, outcome: 'durable' }]);
    expect(outbox.submitted).toHaveLength(1);
  });

  it('of what is under way waits for it, and is a duplicate then', () => {
    const { outbox, take } = start();
    const first = take([event('a')]);
    const second = take([event('a')]);
    expect([first, second]).toEqual([[], []]);
    outbox.settle('durable');
    expect(first).toMatchObject([{ accepted: 1, duplicates: 0, outcome: 'durable' }]);
    expect(second).toMatchObject([{ accepted: 0, duplicates: 1, outcome: 'durable' }]);
    expect(outbox.submitted).toHaveLength(1);
  });

  it('of what fails fails with it, and is taken the next time', () => {
    const { outbox, take } = start();
    take([event('a')]);
    const second = take([event('a'), event('b')]);
    outbox.settle('expired');
    expect(second).toMatchObject([{ outcome: 'expired' }]);
    const third = take([event('a'), event('b')]);
    outbox.settle('durable');
    expect(third).toMatchObject([{ accepted: 2, duplicates: 0, outcome: 'durable' }]);
  });

  it('beside new events waits for both', () => {
    const outbox = new TestOutbox();
    const answers: ((outcome: Outcome) => void)[] = [];
    outbox.submit = (_, __, answer) => void answers.push(answer);
    const metrics = createMetrics(new Registry(), () => ({ unconfirmedMessages: 0, heldBytes: 0, connected: true }));
    const admission = new Admission({ outbox, metrics, meters: undefined, requestEventsMax: 100 });
    const outcomes: Outcome[] = [];
    admission.take([event('a')], json.validate, () => undefined);
    admission.take([event('a'), event('b')], json.validate, (_, outcome) => outcomes.push(outcome));
    answers[1]?.('durable');
    expect(outcomes).toEqual([]);
    answers[0]?.('durable');
    expect(outcomes).toEqual(['durable']);
  });

  it('of an event without an id is another event', () => {
    const { outbox, take } = start();
    const anonymous = { customer: 'cus_a', meter: 'tokens' };
    take([anonymous]);
    take([anonymous]);
    outbox.settle('durable');
    take([anonymous]);
    expect(outbox.submitted).toHaveLength(3);
  });
});

describe('a request that is taken whole or not at all', () => {
  it('is not submitted if one event is rejected, and may be sent again corrected', () => {
    const { outbox, take } = start();
    expect(take([event('a'), {}], true)).toMatchObject([{ rejected: 1 }]);
    expect(outbox.submitted).toEqual([]);
    const again = take([event('a'), event('b')], true);
    outbox.settle('durable');
    expect(again).toMatchObject([{ accepted: 2, duplicates: 0, outcome: 'durable' }]);
  });
});

it('says before a body is read that nothing is taken', () => {
  const { admission, outbox } = start();
  expect(() => admission.checkOpen()).not.toThrow();
  outbox.turnsAway = 'overloaded';
  expect(() => admission.checkOpen()).toThrow(RequestFault);
});

it('tells of a request what the outbox tells, and calls nothing durable that is not', () => {
  for (const outcome of ['expired', 'spool_full', 'durable'] as const) {
    const { outbox, take } = start();
    const verdicts = take([event('a'), event('b')]);
    outbox.settle(outcome);
    expect(verdicts).toEqual([{ accepted: 2, duplicates: 0, rejected: 0, outcome }]);
  }
});
