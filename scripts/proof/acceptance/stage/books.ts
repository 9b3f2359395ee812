import { expect } from 'vitest';
import { queueState } from '../../../../shared/topology/broker-view.ts';
import { shardQueue } from '../../../../shared/topology/names.ts';
import { until } from '../../../../shared/testing/until.ts';
import { audit, type Difference, fetchLedger, type Ledger } from '../../../lab/audit.ts';
import type { Owed } from '../../../lab/load/books.ts';
import { type Formula, unitsPerOne } from '../../../lab/load/catalogue.ts';
import { patient } from './durations.ts';
import { drainAll, type Stage } from './stage.ts';

/** What a customer owes after events that a test has posted by itself. */
export function owes(customer: string, meter: string, value: number, events = 1, formula: Formula = 'sum'): Owed {
  return { customer, meter, formula, units: BigInt(Math.round(value * unitsPerOne)), events };
}

/** Waits until the ledger holds exactly what is owed. */
export async function untilBilled({ simulatorUrl }: Stage, owed: () => Iterable<Owed>): Promise<Ledger> {
  return until(
    async () => {
      const ledger = await fetchLedger(simulatorUrl, true);
      expect(audit(owed(), ledger).differences.slice(0, 5)).toEqual([]);
      return ledger;
    },
    { ...patient, intervalMs: 250 },
  );
}

export interface Closing {
  readonly ledger: Ledger;
  readonly differences: readonly Difference[];
  /** Two calls at once for one customer and meter. */
  readonly concurrencyViolations: number | undefined;
  /** In the shard queues: what is left was not settled. */
  readonly messagesLeft: number;
}

/** How every test ends, whatever went wrong in it: 0 lost, 0 doubled, nothing left behind. */
export const exact = { differences: [], concurrencyViolations: 0, messagesLeft: 0 } as const;

/** Waits until everything is billed, drains the cluster, and audits once nobody runs who could bill anything late or twice. */
export async function closeBooks(stage: Stage, owed: () => Iterable<Owed>): Promise<Closing> {
  await untilBilled(stage, owed);
  await drainAll(stage);
  const ledger = await fetchLedger(stage.simulatorUrl, true);
  const { compared, differences } = audit(owed(), ledger);
  if (compared === 0) throw new Error('nothing is owed: this audit would prove nothing');
  const { concurrencyViolations } = ledger;
  return { ledger, differences, concurrencyViolations, messagesLeft: await countMessages(stage) };
}

async function countMessages(stage: Stage): Promise<number> {
  const { cluster, shards } = stage;
  const connection = await stage.connectToBroker();
  const states = await Promise.all(
    Array.from({ length: shards }, (_, shard) => queueState(connection, shardQueue(cluster.namespace, shard))),
  );
  return states.reduce((sum, state) => sum + (state?.ready ?? 0), 0);
}
