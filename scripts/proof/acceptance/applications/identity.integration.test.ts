import { describe, expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import { closeBooks, exact, owes, untilBilled } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents } from '../../../lab/cluster/requests.ts';
import { openStage, pick, type Stage } from '../stage/stage.ts';

async function duplicatesSeen({ cluster }: Stage): Promise<number> {
  const all = await Promise.all(cluster.consumers.map((consumer) => consumer.metrics()));
  return all.reduce((sum, metrics) => sum + (metrics.sum('tallyman_consumer_duplicate_events_total') ?? 0), 0);
}

const taken = { accepted: 1, duplicates: 0 };

describe('identity', { timeout: testTimeoutMs }, () => {
  it('counts an event id once, whichever sidecar it comes to, before and after the flush: the first value wins', async () => {
    const stage = await openStage({ publishers: 3, consumers: 2, consumer: { TALLYMAN_FLUSH_INTERVAL_MS: '1500' } });
    const first = pick(stage.cluster.publishers);
    const second = pick(stage.cluster.publishers, 1);
    const third = pick(stage.cluster.publishers, 2);
    const event = { id: 'invoice-7', customer: 'cus_twice', meter: 'tokens', value: 7 };
    const owed = () => [owes('cus_twice', 'tokens', 7), owes('cus_other', 'tokens', 3)];

    expect(await postEvents(first, event)).toEqual(taken);
    expect(await postEvents(second, { ...event, value: 1_000 })).toEqual(taken);
    // The same id of another customer is another event.
    expect(await postEvents(second, { ...event, customer: 'cus_other', value: 3 })).toEqual(taken);
    await until(async () => expect(await duplicatesSeen(stage)).toBeGreaterThan(0), patient);
    expect((await fetchLedger(stage.simulatorUrl, false)).events).toBe(0);

    await untilBilled(stage, owed);
    const seenBefore = await duplicatesSeen(stage);
    // One that a sidecar has taken before never leaves it again; to another sidecar it is new.
    expect(await postEvents(first, { ...event, value: 2_000 })).toEqual({ accepted: 0, duplicates: 1 });
    expect(await postEvents(third, { ...event, value: 3_000 })).toEqual(taken);
    await until(async () => expect(await duplicatesSeen(stage)).toBeGreaterThan(seenBefore), patient);

    expect(await closeBooks(stage, owed)).toMatchObject({ ...exact, ledger: { events: 2 } });
  });

  it('sends ten dimension sets of one customer and meter one call after the other, and all of them', async () => {
    const stage = await openStage({ consumers: 2, simulator: { TALLYMAN_SIM_LATENCY: 'fixed:200' } });
    const publisher = pick(stage.cluster.publishers);
    const sets = Array.from({ length: 10 }, (_, set) => set);

    await postEvents(
      publisher,
      ...sets.map((set) => ({
        id: `set-${set}`,
        customer: 'cus_many',
        meter: 'tokens',
        value: 2 ** set,
        dimensions: { model: `m${set}` },
      })),
    );

    const closing = await closeBooks(stage, () => [owes('cus_many', 'tokens', 2 ** 10 - 1, 10)]);
    expect(closing).toMatchObject({ ...exact, ledger: { events: 10, calls: 10, conflicts: 0, throttled: 0 } });
  });
});
