import { describe, expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { durations, patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';

const ratePerS = 1_000;
const eventsPerRequest = 1_000;
/** One round each. */
const values = [1, 10, 100, 1_000];
const sum = values.reduce((total, value) => total + value, 0);

describe("Stripe's limits", { timeout: testTimeoutMs }, () => {
  it('are kept with many keys: no two calls at once for a customer and meter, at most 1 % answered 429', async () => {
    const stage = await openStage({
      consumers: 2,
      consumer: { TALLYMAN_FLUSH_INTERVAL_MS: '1000', TALLYMAN_STRIPE_RATE_PER_S: String(ratePerS) },
      simulator: { TALLYMAN_SIM_LATENCY: 'fixed:200', TALLYMAN_SIM_RATE_PER_S: String(ratePerS) },
    });
    const publisher = pick(stage.cluster.publishers);
    const keys = Array.from({ length: durations.activeKeys }, (_, key) => key);

    for (const [round, value] of values.entries()) {
      // While the entries of the round before are on their way: the same lanes again, in the next set.
      await until(async () => {
        const { events } = await fetchLedger(stage.simulatorUrl, false);
        expect(events).toBeGreaterThanOrEqual((round - 0.5) * keys.length);
      }, patient);
      for (let from = 0; from < keys.length; from += eventsPerRequest) {
        const events = keys
          .slice(from, from + eventsPerRequest)
          .map((key) => ({ id: `${round}-${key}`, customer: `cus_${key}`, meter: 'tokens', value }));
        await postEvents(publisher, ...events);
      }
    }

    const closing = await closeBooks(stage, () => keys.map((key) => owes(`cus_${key}`, 'tokens', sum, values.length)));
    expect(closing).toMatchObject(exact);
    const { calls = 0, throttled, conflicts, peakPerSecond = 0 } = closing.ledger;
    console.log(
      `${calls} calls, ${throttled} answered 429, ${conflicts} answered 409, at most ${peakPerSecond} in a second`,
    );
    // A lane whose events of two rounds waited together has one entry for both.
    expect(calls).toBeGreaterThan((values.length * keys.length) / 2);
    expect(throttled / calls).toBeLessThanOrEqual(0.01);
  });
});
