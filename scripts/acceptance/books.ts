import { expect } from 'vitest';
import { queueState } from '../../shared/topology/broker-view.ts';
import { shardQueue } from '../../shared/topology/names.ts';
import { until } from '../../shared/testing/until.ts';
import { audit, fetchLedger, type Ledger } from '../audit.ts';
import type { Owed } from '../load/books.ts';
import { type Formula, unitsPerOne } from '../load/catalogue.ts';
import { durations } from './durations.ts';
import { drainAll, type Stage } from './stage.ts';

/** What a customer owes after events that a test has posted by itself. */
export function owes(customer: string, meter: string, value: number, events = 1, formula: Formula = 'sum'): Owed {
  return { customer, meter, formula, units: BigInt(Math.round(value * unitsPerOne)), events };
}

/** Waits until the ledger holds exactly what is owed. */
export async function untilBilled(
  { simulatorUrl }: Stage,
  owed: () => Iterable<Owed>,
  deadlineMs = durations.patienceMs,
): Promise<Ledger> {
  return until(
    async () => {
      const ledger = await fetchLedger(simulatorUrl, true);
      expect(audit(owed(), ledger).differences.slice(0, 5)).toEqual([]);
      return ledger;
    },
    { deadlineMs, intervalMs: 250 },
  );
}

/**
 * The end of every test: waits until everything is billed, drains the cluster, and audits once nobody runs who could bill
 * anything late or twice. Expects that nothing is left in the broker, since a message that is left was not settled.
 */
export async function closeBooks(
  stage: Stage,
  owed: () => Iterable<Owed>,
  deadlineMs = durations.patienceMs,
): Promise<Ledger> {
  await untilBilled(stage, owed, deadlineMs);
  await drainAll(stage);
  const ledger = await fetchLedger(stage.simulatorUrl, true);
  const verdict = audit(owed(), ledger);
  expect(verdict.differences).toEqual([]);
  expect(verdict.compared).toBeGreaterThan(0);
  // At no time, whatever went wrong: two calls at once for one customer and meter.
  expect(ledger.concurrencyViolations).toBe(0);
  expect(await messagesLeft(stage)).toBe(0);
  return ledger;
}

/** Messages in all shard queues that no consumer holds. */
export async function messagesLeft({ connectToBroker, cluster, shards }: Stage): Promise<number> {
  const connection = await connectToBroker();
  const states = await Promise.all(
    Array.from({ length: shards }, (_, shard) => queueState(connection, shardQueue(cluster.namespace, shard))),
  );
  return states.reduce((sum, state) => sum + (state?.ready ?? 0), 0);
}
