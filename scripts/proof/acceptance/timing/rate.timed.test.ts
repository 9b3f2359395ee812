import { setTimeout as lasts } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import { goFirst } from '../../../lab/cluster/go-first.ts';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { durations, patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents, tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, pick, type Stage } from '../stage/stage.ts';

const perRequest = 1_000;

/** One event for each of so many customers, answered 202 and waiting in the broker. */
async function leaveWaiting(stage: Stage, customers: number): Promise<void> {
  const publisher = pick(stage.cluster.publishers);
  for (let from = 0; from < customers; from += perRequest) {
    const events = Array.from({ length: Math.min(perRequest, customers - from) }, (_, index) => ({
      id: String(from + index),
      customer: `cus_${from + index}`,
      meter: 'tokens',
      value: 1,
    }));
    await postEvents(publisher, ...events);
  }
}

interface Sample {
  readonly atMs: number;
  readonly calls: number;
  readonly billed: number;
}

async function sample({ simulatorUrl }: Stage): Promise<Sample> {
  const { calls = 0, events } = await fetchLedger(simulatorUrl, false);
  return { atMs: performance.now(), calls, billed: events };
}

/** Calls per second over the last second or so. */
async function callRate(stage: Stage): Promise<number> {
  const from = await sample(stage);
  await lasts(1_000);
  const to = await sample(stage);
  return ((to.calls - from.calls) / (to.atMs - from.atMs)) * 1_000;
}

const everybody = (customers: number) => () =>
  Array.from({ length: customers }, (_, customer) => owes(`cus_${customer}`, 'tokens', 1));

describe('the rate of the cluster', { timeout: testTimeoutMs }, () => {
  it('is nearly the whole limit and never above it, over many consumers with a backlog', async () => {
    const { consumers, entriesWaiting, ratePerS } = durations.edge;
    // Consumers start before there is anything to call: their start takes the processors that the calls are to have.
    const stage = await openStage({
      consumers,
      consumer: {
        TALLYMAN_STRIPE_RATE_PER_S: String(ratePerS),
        TALLYMAN_LEASE_MS: '10000',
        TALLYMAN_FLUSH_INTERVAL_MS: '5000',
      },
      simulator: { TALLYMAN_SIM_LATENCY: 'lognormal:200:800', TALLYMAN_SIM_RATE_PER_S: String(ratePerS) },
    });
    // Stripe has a machine of its own: when this one is full, calls that wait for the simulator seem to arrive at once.
    const isFirst = await goFirst(stage.cluster.simulator!.pid);
    await leaveWaiting(stage, entriesWaiting);

    // A limit begins with half of it and is whole after ten seconds.
    const from = await until(async () => {
      const first = await sample(stage);
      expect(first.billed).toBeGreaterThan(10 * ratePerS);
      return first;
    }, patient);
    const to = await until(
      async () => {
        const last = await sample(stage);
        expect(last.billed).toBeGreaterThan(entriesWaiting * 0.9);
        return last;
      },
      { deadlineMs: patient.deadlineMs + (2 * entriesWaiting * 1_000) / ratePerS, intervalMs: 100 },
    );
    const meanPerS = ((to.billed - from.billed) / (to.atMs - from.atMs)) * 1_000;
    // Whole totals take the simulator's time, which it should have for the calls: they are asked for at the end only.
    await until(async () => expect((await sample(stage)).billed).toBe(entriesWaiting), patient);
    const closing = await closeBooks(stage, everybody(entriesWaiting));
    expect(closing).toMatchObject(exact);
    const { calls = 0, throttled, peakPerSecond = 0 } = closing.ledger;
    console.log(
      `${consumers} consumers at ${ratePerS}/s: mean ${meanPerS.toFixed(1)}/s, at most ${peakPerSecond} in a second, ` +
        `${throttled} of ${calls} calls answered 429${isFirst ? '' : '; the simulator had to share the processors'}`,
    );
    expect(meanPerS).toBeGreaterThanOrEqual(0.9 * ratePerS);
    expect(peakPerSecond).toBeLessThanOrEqual(1.05 * ratePerS);
    expect(throttled / calls).toBeLessThan(0.005);
  });

  it('is below a limit that drops within five seconds, and back within a minute after it is lifted', async () => {
    const { ratePerS, droppedTo } = durations.edge;
    const lowPerS = ratePerS * droppedTo;
    // For the time before, the time at the low limit, and the climb, which doubles every ten seconds.
    const customers = Math.round(ratePerS * (10 + 10 * Math.log2(1 / droppedTo)));
    const stage = await openStage({
      consumers: 2,
      consumer: { TALLYMAN_STRIPE_RATE_PER_S: String(ratePerS) },
      simulator: { TALLYMAN_SIM_LATENCY: 'lognormal:40:150', TALLYMAN_SIM_RATE_PER_S: String(ratePerS) },
    });
    await leaveWaiting(stage, customers);
    await until(async () => expect(await callRate(stage)).toBeGreaterThan(0.8 * ratePerS), patient);

    await tellSimulator(stage.simulatorUrl, 'limits', { ratePerS: lowPerS });
    const droppedAt = performance.now();
    await until(async () => expect(await callRate(stage)).toBeLessThanOrEqual(lowPerS), patient);
    const belowAfterMs = performance.now() - droppedAt;
    const [consumer] = stage.cluster.consumers;
    const metrics = await consumer!.metrics();
    expect(metrics.sum('tallyman_consumer_rate_limited_reason', { reason: 'endpoint-rate' })).toBe(1);
    expect(metrics.sum('tallyman_consumer_rate_lowered_timestamp_seconds')).toBeGreaterThan(Date.now() / 1_000 - 60);

    await tellSimulator(stage.simulatorUrl, 'limits', { ratePerS });
    const liftedAt = performance.now();
    await until(async () => expect(await callRate(stage)).toBeGreaterThan(0.9 * ratePerS), {
      deadlineMs: 2 * 60_000,
    });
    const backAfterMs = performance.now() - liftedAt;
    const closing = await closeBooks(stage, everybody(customers));
    console.log(
      `limit of ${ratePerS}/s cut to ${lowPerS}: below it after ${Math.round(belowAfterMs)} ms, back ` +
        `${Math.round(backAfterMs)} ms after it was lifted; ${closing.ledger.throttled} calls answered 429`,
    );
    expect(closing).toMatchObject(exact);
    expect(belowAfterMs).toBeLessThan(5_000);
    expect(backAfterMs).toBeLessThan(60_000);
  });
});
