import { describe, expect, it } from 'vitest';
import { until } from '../../shared/testing/until.ts';
import { fetchLedger } from '../audit.ts';
import { closeBooks, exact, owes } from './books.ts';
import { durations, testTimeoutMs } from './durations.ts';
import { postEvents } from './requests.ts';
import { openStage, pick } from './stage.ts';

const ratePerS = 1_000;
const eventsPerRequest = 1_000;

describe("Stripe's limits", { timeout: testTimeoutMs }, () => {
  it('are kept with many keys: no two calls at once for a customer and meter, at most 1 % answered 429', async () => {
    const stage = await openStage({
      consumers: 2,
      consumer: { TALLYMAN_FLUSH_INTERVAL_MS: '1000', TALLYMAN_STRIPE_RATE_PER_S: String(ratePerS) },
      simulator: { TALLYMAN_SIM_LATENCY: 'fixed:200', TALLYMAN_SIM_RATE_PER_S: String(ratePerS) },
    });
    const publisher = pick(stage.cluster.publishers);
    const keys = Array.from({ length: durations.activeKeys }, (_, key) => key);

    async function post(round: number): Promise<void> {
      for (let from = 0; from < keys.length; from += eventsPerRequest) {
        const events = keys.slice(from, from + eventsPerRequest).map((key) => ({
          id: `${round}-${key}`,
          customer: `cus_${key}`,
          meter: 'tokens',
          value: round,
        }));
        await postEvents(publisher, ...events);
      }
    }
    await post(1);
    // The same lanes again, while their first entries are on their way.
    await until(async () => expect((await fetchLedger(stage.simulatorUrl, false)).events).toBeGreaterThan(0));
    await post(10);

    const closing = await closeBooks(stage, () => keys.map((key) => owes(`cus_${key}`, 'tokens', 11, 2)));
    const { calls = 0, throttled, conflicts, peakPerSecond = 0 } = closing.ledger;
    console.log(
      `${calls} calls, ${throttled} answered 429, ${conflicts} answered 409, at most ${peakPerSecond} in a second`,
    );
    expect(closing).toMatchObject(exact);
    expect(calls).toBeGreaterThan(keys.length);
    expect(throttled / calls).toBeLessThanOrEqual(0.01);
    expect(peakPerSecond).toBeLessThanOrEqual(ratePerS * 1.05);
  });
});
