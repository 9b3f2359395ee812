import { inspectShard } from '../../../shared/journal/inspect.ts';
import { shardKeys } from '../../../shared/journal/keys.ts';
import { until } from '../../../shared/testing/until.ts';
import { queueState } from '../../../shared/topology/broker-view.ts';
import { deadExchange, shardQueue } from '../../../shared/topology/names.ts';
import { connect } from 'amqplib';
import { audit, type Difference, fetchLedger } from '../../lab/audit.ts';
import type { Owed } from '../../lab/load/books.ts';
import type { Scene } from './scene.ts';

/** What became of everything that was answered 202. */
export interface Verdict {
  /** Events that were answered 202, each counted once. */
  readonly accepted: number;
  /** Of those, the events of all totals (customer and meter) that the bill holds to the last digit. */
  readonly billed: number;
  /** Entries that the journal has parked, and messages that could not be read. */
  readonly dead: number;
  /** Messages in the queues, sets that are not settled, entries that wait for another attempt. */
  readonly pending: number;
  /** Totals that hold less than is owed, or not the newest value; or events that no set counted, if those are more. */
  readonly lost: number;
  /** Totals that hold more than is owed; or events that sets counted beyond those accepted, if those are more. */
  readonly duplicated: number;
  readonly differences: readonly Difference[];
}

export function isExact({ accepted, billed, dead, pending, lost, duplicated }: Verdict): boolean {
  return billed === accepted && accepted > 0 && dead + pending + lost + duplicated === 0;
}

export function describe({ accepted, billed, dead, pending, lost, duplicated }: Verdict): string {
  return `accepted ${accepted}, billed ${billed}, dead ${dead}, pending ${pending}, lost ${lost}, duplicated ${duplicated}`;
}

/** The sum of several; their differences stand in their own. */
export function sum(verdicts: readonly Verdict[]): Verdict {
  const total = (of: (verdict: Verdict) => number): number => verdicts.reduce((sum, verdict) => sum + of(verdict), 0);
  return {
    accepted: total(({ accepted }) => accepted),
    billed: total(({ billed }) => billed),
    dead: total(({ dead }) => dead),
    pending: total(({ pending }) => pending),
    lost: total(({ lost }) => lost),
    duplicated: total(({ duplicated }) => duplicated),
    differences: [],
  };
}

/** Waits until everything is billed, drains the cluster, and audits once nobody runs who could bill anything late or twice. */
export async function closeBooks(scene: Scene, owed: () => readonly Owed[], patienceMs: number): Promise<Verdict> {
  const { simulator } = scene.ground;
  await until(async () => audit(owed(), await fetchLedger(simulator.url, true)).differences.length === 0, {
    deadlineMs: patienceMs,
    intervalMs: 100,
  }).catch(() => {
    // The audit below says what is missing.
  });
  const { publishers, consumers } = scene.cluster;
  await Promise.all(publishers.map((publisher) => publisher.drain()));
  // One after the other: each hands over what it has not settled, and the last one settles it.
  for (const consumer of consumers) await consumer.drain();
  const { differences } = audit(owed(), await fetchLedger(simulator.url, true));
  return { ...counts(owed(), differences, await countedEvents(scene)), ...(await left(scene)) };
}

/**
 * Two views that share nothing: the bill against the books, amount by amount, and the number of events in all sets. Only a
 * loss and a duplicate of one value in one total would cancel out in both, which is why the load's values differ.
 */
export function counts(
  owed: readonly Owed[],
  differences: readonly Difference[],
  counted: number,
): Omit<Verdict, 'dead' | 'pending'> {
  const differing = new Set(differences.map(({ customer, meter }) => `${customer} ${meter}`));
  const agreeing = owed.filter(({ customer, meter }) => !differing.has(`${customer} ${meter}`));
  const events = (of: readonly Owed[]): number => of.reduce((sum, { events }) => sum + events, 0);
  const accepted = events(owed);
  const over = differences.filter(({ kind }) => kind === 'over').length;
  const lost = Math.max(differences.length - over, accepted - counted);
  const duplicated = Math.max(over, counted - accepted);
  return { accepted, billed: events(agreeing), lost, duplicated, differences };
}

/** Events in all sets that were committed, by the journal's own totals. */
async function countedEvents({ ground, cluster, options }: Scene): Promise<number> {
  let events = 0;
  for (let shard = 0; shard < options.shards; shard++) {
    const { totals: all } = shardKeys(cluster.namespace, shard);
    const months = await ground.journal.keys(`${all}*`);
    const totals = (await Promise.all(months.map((key) => ground.journal.hvals(key)))).flat();
    // `<version>;<sum>;<events>;<entries>`
    for (const total of totals) events += Number(total.split(';')[2]);
  }
  return events;
}

async function left({ ground, cluster, options }: Scene): Promise<Pick<Verdict, 'dead' | 'pending'>> {
  const { namespace } = cluster;
  const shards = Array.from({ length: options.shards }, (_, shard) => shard);
  const connection = await connect(ground.broker.url);
  const ready = async (queue: string): Promise<number> => (await queueState(connection, queue))?.ready ?? 0;
  let [dead, pending] = [await ready(deadExchange(namespace)), 0];
  for (const shard of shards) {
    pending += await ready(shardQueue(namespace, shard));
    const summary = await inspectShard(ground.journal, namespace, shard);
    if (summary === 'missing') continue;
    pending += summary.deferred + (summary.pending === undefined ? 0 : 1);
    dead += summary.parked;
  }
  await connection.close();
  return { dead, pending };
}
