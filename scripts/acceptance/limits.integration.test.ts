import { describe, expect, it } from 'vitest';
import { closeBooks, exact, owes } from './books.ts';
import { durations, testTimeoutMs } from './durations.ts';
import { postEvents } from './requests.ts';
import { openStage } from './stage.ts';

const ratePerS = 1_000;
const eventsPerRequest = 1_000;

describe("Stripe's limits", { timeout: testTimeoutMs }, () => {
  it('are kept with many keys: no two calls at once for a customer and meter, at most 1 % answered 429', async () => {
    const stage = await openStage({
      consumers: 2,
      consumer: { TALLYMAN_FLUSH_INTERVAL_MS: '1000', TALLYMAN_STRIPE_RATE_PER_S: String(ratePerS) },
      simulator: { TALLYMAN_SIM_LATENCY: 'fixed:200', TALLYMAN_SIM_RATE_PER_S: String(ratePerS) },
    });
    const [publisher] = stage.cluster.publishers;
    if (publisher === undefined) throw new Error('there is no sidecar');
    const keys = Array.from({ length: durations.activeKeys }, (_, key) => key);

    // Two rounds, so that a set which is sealed while another one is in flight has the same lanes again.
    for (const round of [1, 2]) {
      for (let from = 0; from < keys.length; from += eventsPerRequest) {
        const events = keys.slice(from, from + eventsPerRequest).map((key) => ({
          id: `${round}-${key}`,
          customer: `cus_${key}`,
          meter: 'tokens',
          value: round * 10,
        }));
        await postEvents(publisher, ...events);
      }
    }

    const closing = await closeBooks(stage, () => keys.map((key) => owes(`cus_${key}`, 'tokens', 30, 2)));
    const { calls = 0, throttled, conflicts, peakPerSecond = 0 } = closing.ledger;
    console.log(
      `${calls} calls, ${throttled} answered 429, ${conflicts} answered 409, at most ${peakPerSecond} in a second`,
    );
    expect(closing).toMatchObject(exact);
    expect(calls).toBeGreaterThanOrEqual(keys.length);
    expect(throttled / calls).toBeLessThanOrEqual(0.01);
    expect(peakPerSecond).toBeLessThanOrEqual(ratePerS * 1.05);
  });
});
