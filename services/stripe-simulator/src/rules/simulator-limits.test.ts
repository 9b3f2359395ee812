import { beforeEach, describe, expect, it } from 'vitest';
import type { Visit } from './call.ts';
import { errorOf, type EventOptions, Harness } from './testing/harness.ts';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});

describe('the rate', () => {
  const burst = (count: number, given: EventOptions = {}): number[] =>
    Array.from({ length: count }, (_, index) => {
      const visit = harness.arrive({ customer: `cus_${index}`, ...given });
      return harness.simulator.finish(visit, harness.nowMs + visit.waitMs).status;
    });
  const ok = (statuses: number[]): number => statuses.filter((status) => status === 200).length;

  it('lets through the limit in any sliding second and answers 429 to the rest', () => {
    expect(ok(burst(1_001))).toBe(1_000);
    harness.nowMs += 999;
    expect(ok(burst(10))).toBe(0);
    harness.nowMs += 1;
    expect(ok(burst(10))).toBe(10);
    expect(harness.simulator.ledger.counts).toMatchObject({ throttled: 11, calls: 1_021, peakPerSecond: 1_011 });
  });

  it('gives its reason, and no advice', () => {
    harness.simulator.limits = { ...harness.simulator.limits, ratePerS: 0 };
    const answer = harness.send();
    expect(answer).toMatchObject({ status: 429, headers: { 'stripe-rate-limited-reason': 'endpoint-rate' } });
    expect(answer.headers).not.toHaveProperty('stripe-should-retry');
    expect(errorOf(answer)).toMatchObject({ code: 'rate_limit' });
  });

  it('of a connected account is the basic one, and its own', () => {
    expect(ok(burst(101, { account: 'acct_1' }))).toBe(100);
    expect(ok(burst(100, { account: 'acct_2' }))).toBe(100);
    expect(ok(burst(500))).toBe(500);
  });

  it('of meter events is apart from that of other calls', () => {
    burst(1_000);
    expect(harness.run({ ...harness.eventCall(), method: 'GET', path: '/v1/billing/meters' }).status).toBe(200);
  });
});

describe('a lane', () => {
  const arrive = (given: EventOptions = {}): Visit => harness.arrive(given);
  const finish = (visit: Visit): number => harness.finish(visit).status;

  it('executes one call at a time', () => {
    const first = arrive();
    const second = arrive();
    expect(second).toMatchObject({ outcome: { status: 409, headers: { 'stripe-should-retry': 'true' } } });
    expect([finish(second), finish(first)]).toEqual([409, 200]);
    expect(harness.send().status).toBe(200);
    expect(harness.simulator.ledger.counts).toMatchObject({ events: 2, conflicts: 1, concurrencyViolations: 1 });
  });

  it('is a customer and a meter of an account: others go on beside it', () => {
    const visits = [{}, { customer: 'cus_2' }, { meter: 'seats' }, { account: 'acct_1' }].map(arrive);
    expect(visits.map(finish)).toEqual([200, 200, 200, 200]);
    expect(harness.simulator.ledger.counts).toMatchObject({ conflicts: 0, concurrencyViolations: 0 });
  });

  it('stays busy when the client gives up, without blaming its retry', () => {
    const first = arrive();
    harness.simulator.leave(first);
    expect(finish(arrive())).toBe(409);
    expect(finish(first)).toBe(200);
    expect(harness.simulator.ledger.counts).toMatchObject({ events: 1, conflicts: 1, concurrencyViolations: 0 });
  });

  // 20 consumers on two cores overran the listener: calls that their client had given up after five seconds were delivered by the kernel
  // two seconds later, after their retries, and their ends later still. They were counted as 72 violations of the client.
  it('does not blame a retry that a call overtakes which its client gave up before', () => {
    const retry = arrive();
    const late = arrive();
    harness.simulator.leave(late);
    expect([finish(late), finish(retry)]).toEqual([409, 200]);
    expect(harness.simulator.ledger.counts).toMatchObject({ conflicts: 1, concurrencyViolations: 0 });
  });

  it('does not blame a retry if it shows only after it came that the client had given up the call before', () => {
    const first = arrive();
    const retry = arrive();
    harness.simulator.leave(first);
    expect(finish(retry)).toBe(409);
    expect(harness.simulator.ledger.counts).toMatchObject({ conflicts: 1, concurrencyViolations: 0 });
  });

  it('blames a second call at once though the first one is answered before it', () => {
    const first = arrive();
    const second = arrive();
    expect([finish(first), finish(second)]).toEqual([200, 409]);
    expect(harness.simulator.ledger.counts.concurrencyViolations).toBe(1);
  });

  it('answers a second call at once only when it can have shown whether either was given up', () => {
    arrive();
    expect(arrive().waitMs).toBe(250);
  });

  it('shows a second call at once even if the first is not executing', () => {
    harness.meet('throttle');
    const [first, second] = [arrive(), arrive()];
    expect([finish(first), finish(second)]).toEqual([429, 429]);
    expect(harness.simulator.ledger.counts).toMatchObject({ conflicts: 0, concurrencyViolations: 1 });
    finish(arrive());
    expect(harness.simulator.ledger.counts.concurrencyViolations).toBe(1);
  });
});

describe('the door', () => {
  it('is closed without a key, with a revoked one, and for accounts that are not there', () => {
    harness.simulator.world.declare({ revokedKeys: ['sk_test_old'], revokedAccounts: ['acct_2'] });
    expect(harness.run({ ...harness.eventCall(), apiKey: undefined }).status).toBe(401);
    expect(errorOf(harness.send({ apiKey: 'sk_test_old' }))).toMatchObject({ code: 'api_key_expired' });
    expect(errorOf(harness.send({ account: 'acct_2' }))).toMatchObject({ code: 'account_invalid' });
    expect(harness.send({ account: 'someone' }).status).toBe(403);
    expect(harness.send({ apiKey: 'sk_test_new', account: 'acct_1' }).status).toBe(200);
    expect(harness.simulator.ledger.counts.events).toBe(1);
  });

  it.each([
    ['DELETE', '/v1/billing/meter_events'],
    ['GET', '/v1/billing/meter_events'],
    ['POST', '/v1/billing/meters/mtr_1/update'],
    ['GET', '/v1/invoices'],
  ])('%s %s leads nowhere', (method, path) => {
    const answer = harness.run({ ...harness.eventCall(), method, path });
    expect(answer.status).toBe(404);
    expect(errorOf(answer)).toMatchObject({ type: 'invalid_request_error' });
  });
});
