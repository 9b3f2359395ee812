import { beforeEach, describe, expect, it } from 'vitest';
import type { Visit } from './call.ts';
import type { FaultKind } from './faults.ts';
import { Simulator, type SimulatorOptions } from './simulator.ts';
import { dayMs, errorOf, Harness, options } from './testing/harness.ts';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});

describe('an idempotency key', () => {
  it('replays the answer and counts nothing', () => {
    const call = harness.eventCall({ identifier: 'a', idempotencyKey: 'k' });
    const first = harness.run(call);
    const replay = harness.run(call);
    expect(replay).toMatchObject({ status: 200, body: first.body, headers: { 'idempotent-replayed': 'true' } });
    expect(first.headers).not.toHaveProperty('idempotent-replayed');
    expect(harness.simulator.ledger.counts).toMatchObject({ events: 1, duplicates: 0 });
  });

  it('replays a 400 though its cause is gone', () => {
    const call = harness.eventCall({ customer: 'cus_9', idempotencyKey: 'k' });
    harness.simulator.world.declare({ unknownCustomers: ['cus_9'] });
    expect(harness.run(call).status).toBe(400);
    harness.simulator.world.declare({ unknownCustomers: [] });
    expect(harness.run(call)).toMatchObject({ status: 400, headers: { 'idempotent-replayed': 'true' } });
    expect(harness.run({ ...call, idempotencyKey: 'other' }).status).toBe(200);
  });

  it('replays a 500, until a new key sends the same identifier', () => {
    const call = harness.eventCall({ identifier: 'a', idempotencyKey: 'k' });
    harness.meet('error');
    expect(harness.run(call).status).toBe(500);
    harness.simulator.faults.remove();
    expect(harness.run(call)).toMatchObject({ status: 500, headers: { 'idempotent-replayed': 'true' } });
    expect(harness.run({ ...call, idempotencyKey: 'other' }).status).toBe(200);
  });

  it.each<FaultKind>(['throttle', 'lock-timeout', 'proxy'])('is not used up by %s', (kind) => {
    const call = harness.eventCall({ idempotencyKey: 'k' });
    harness.meet(kind);
    expect(harness.run(call).status).not.toBe(200);
    harness.simulator.faults.remove();
    expect(harness.run(call).status).toBe(200);
  });

  it('is not used up by a 409 or a malformed request', () => {
    const first = harness.arrive();
    const call = harness.eventCall({ idempotencyKey: 'k' });
    expect(harness.run(call).status).toBe(409);
    harness.simulator.finish(first, harness.nowMs);
    expect(harness.run(harness.post('event_name=', { idempotencyKey: 'k' })).status).toBe(400);
    expect(harness.run(call).status).toBe(200);
  });

  it('is refused for other parameters, and while its first call executes', () => {
    const call = harness.eventCall({ idempotencyKey: 'k' });
    const first = harness.simulator.arrive(call, harness.nowMs);
    expect(errorOf(harness.run(call))).toMatchObject({ code: 'idempotency_key_in_use' });
    harness.simulator.finish(first, harness.nowMs);
    expect(errorOf(harness.send({ idempotencyKey: 'k' }))).toMatchObject({ type: 'idempotency_error' });
  });

  it('belongs to its account, and is a new one after 24 hours', () => {
    const call = harness.eventCall({ identifier: 'a', idempotencyKey: 'k' });
    harness.run(call);
    expect(harness.run({ ...call, account: 'acct_1' }).headers).not.toHaveProperty('idempotent-replayed');
    harness.nowMs += dayMs;
    expect(harness.run(call).headers).not.toHaveProperty('idempotent-replayed');
  });

  it('has at most 255 characters', () => {
    expect(harness.send({ idempotencyKey: 'k'.repeat(255) }).status).toBe(200);
    expect(harness.send({ idempotencyKey: 'k'.repeat(256) }).status).toBe(400);
  });
});

describe('a fault', () => {
  it.each<[FaultKind, number, number, Visit['delivery']]>([
    ['throttle', 429, 0, 'answer'],
    ['lock-timeout', 429, 0, 'answer'],
    ['proxy', 502, 0, 'answer'],
    ['error', 500, 0, 'answer'],
    ['error-after', 500, 1, 'answer'],
    ['reset', 502, 0, 'reset'],
    ['reset-after', 200, 1, 'reset'],
    ['timeout', 200, 1, 'hang'],
    ['slow', 200, 1, 'answer'],
  ])('%s is met as it says', (kind, status, events, delivery) => {
    harness.meet(kind);
    const visit = harness.arrive();
    expect(visit.delivery).toBe(delivery);
    expect(harness.simulator.finish(visit, harness.nowMs + visit.waitMs).status).toBe(status);
    expect(harness.simulator.ledger.counts.events).toBe(events);
    expect(harness.simulator.faultsMet.get(kind)).toBe(1);
  });

  it('slow takes as long as it says on top of the latency', () => {
    harness.meet('slow');
    expect(harness.arrive().waitMs).toBe(5_200);
  });

  it('throttle has the reason in a header, lock-timeout in its code alone', () => {
    harness.meet('throttle');
    expect(harness.send().headers).toMatchObject({ 'stripe-rate-limited-reason': 'global-rate' });
    harness.simulator.faults.remove();
    harness.meet('lock-timeout');
    const answer = harness.send();
    expect(answer.headers).not.toHaveProperty('stripe-rate-limited-reason');
    expect(errorOf(answer)).toMatchObject({ code: 'lock_timeout' });
    expect(harness.simulator.ledger.counts.throttled).toBe(2);
  });

  it('does not change the latencies of the calls that it spares', () => {
    const latencies = (faults: SimulatorOptions['faults']): number[] => {
      const one = new Simulator({
        ...options,
        faults,
        limits: { ...options.limits, latency: { kind: 'uniform', minMs: 0, maxMs: 500 } },
      });
      return Array.from(
        { length: 20 },
        (_, index) => one.arrive(harness.eventCall({ customer: `cus_${index}` }), harness.nowMs).waitMs,
      );
    };
    expect(latencies([{ kind: 'error', rate: 0.5, delayMs: 0 }])).toEqual(latencies([]));
  });
});
