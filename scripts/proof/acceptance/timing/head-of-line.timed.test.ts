import { describe, expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import { durations, patient, testTimeoutMs } from '../stage/durations.ts';
import { endFaults, postEvents, tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, pick, type Stage } from '../stage/stage.ts';

const customers = 100;
const everyMs = 500;
const pollMs = 200;
const failing = 'cus_0';
const unknown = 'cus_1';
const meter = 'tokens';

/** When events were posted that are not billed yet, oldest first. */
class Waiting {
  readonly #postedAtMs = new Map<string, number[]>();
  readonly #billed = new Map<string, number>();
  readonly latenciesMs: number[] = [];

  posted(customer: string, atMs: number): void {
    const times = this.#postedAtMs.get(customer) ?? [];
    times.push(atMs);
    this.#postedAtMs.set(customer, times);
  }

  async look({ simulatorUrl }: Stage): Promise<void> {
    const askedAtMs = performance.now();
    const { totals } = await fetchLedger(simulatorUrl, true);
    for (const { customer, value } of totals) {
      const times = this.#postedAtMs.get(customer) ?? [];
      const before = this.#billed.get(customer) ?? 0;
      for (const atMs of times.slice(before, Number(value))) this.latenciesMs.push(askedAtMs - atMs);
      this.#billed.set(customer, Number(value));
    }
  }

  get left(): number {
    let left = 0;
    for (const [customer, times] of this.#postedAtMs) left += times.length - (this.#billed.get(customer) ?? 0);
    return left;
  }

  percentile(part: number): number {
    const sorted = this.latenciesMs.toSorted((left, right) => left - right);
    return sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN;
  }
}

describe('customers with a problem', { timeout: testTimeoutMs }, () => {
  it('delay nobody else: one always answered 500, one unknown, one connected account revoked', async () => {
    const { flushIntervalMs } = durations.edge;
    const stage = await openStage({
      consumers: 2,
      consumer: { TALLYMAN_FLUSH_INTERVAL_MS: String(flushIntervalMs) },
    });
    const publisher = pick(stage.cluster.publishers);
    await tellSimulator(stage.simulatorUrl, 'faults', { kind: 'error', customer: failing });
    await tellSimulator(stage.simulatorUrl, 'world', {
      unknownCustomers: [unknown],
      revokedAccounts: ['acct_revoked'],
    });

    const waiting = new Waiting();
    const untilMs = performance.now() + 3 * flushIntervalMs;
    let round = 0;
    const post = async (): Promise<void> => {
      round++;
      const atMs = performance.now();
      const names = Array.from({ length: customers }, (_, customer) => `cus_${customer}`);
      const events = names.map((customer) => ({ id: String(round), customer, meter, value: 1 }));
      const revoked = ['cus_10', 'cus_11', 'cus_12'].map((customer) => ({
        id: String(round),
        customer,
        meter,
        value: 1,
        account: 'acct_revoked',
      }));
      await postEvents(publisher, ...events, ...revoked);
      for (const customer of names) if (customer !== failing && customer !== unknown) waiting.posted(customer, atMs);
    };
    const posting = setInterval(() => void post(), everyMs);
    try {
      await until(
        async () => {
          await waiting.look(stage);
          return performance.now() > untilMs;
        },
        { deadlineMs: 10 * flushIntervalMs, intervalMs: pollMs },
      );
    } finally {
      clearInterval(posting);
    }
    await until(
      async () => {
        await waiting.look(stage);
        expect(waiting.left).toBe(0);
      },
      { deadlineMs: patient.deadlineMs, intervalMs: pollMs },
    );
    const [p50, p99] = [waiting.percentile(0.5), waiting.percentile(0.99)];
    console.log(
      `from event to bill, flush interval ${flushIntervalMs} ms: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms of ${waiting.latenciesMs.length} events`,
    );
    expect(p99).toBeLessThanOrEqual(1.1 * flushIntervalMs + pollMs);
    const [one, two] = await Promise.all(stage.cluster.consumers.map((consumer) => consumer.metrics()));
    const closed = [one!, two!].map((metrics) => metrics.sum('tallyman_consumer_breaker_state', { state: 'closed' }));
    expect(closed, "the platform's breaker stays closed").toEqual([1, 1]);

    // And what waits is billed once the problems are over.
    await endFaults(stage.simulatorUrl);
    await tellSimulator(stage.simulatorUrl, 'world', { revokedAccounts: [] });
    await until(
      async () => {
        const { totals } = await fetchLedger(stage.simulatorUrl, true);
        const billed = (customer: string): number =>
          totals.filter((total) => total.customer === customer).reduce((sum, { value }) => sum + Number(value), 0);
        expect([failing, 'cus_10', 'cus_11', 'cus_12'].map(billed)).toEqual([round, 2 * round, 2 * round, 2 * round]);
      },
      { deadlineMs: 3 * patient.deadlineMs, intervalMs: 500 },
    );
  });
});
