import { setTimeout as sleep } from 'node:timers/promises';
import { postEvents } from '../cluster/requests.ts';
import { fetchLedger } from '../audit.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { breakNeighbours, customerName, customersEach, eventOf, mayWait, neighbours } from './faults.ts';

export interface NeighboursPlan {
  readonly minutes: number;
  /** Events per second. */
  readonly ratePerS: number;
  readonly accounts: number;
  readonly flushIntervalMs: number;
}

export interface NeighbourVerdict {
  readonly account: string;
  readonly fault: string;
  readonly posted: number;
  readonly billed: number;
  /** The longest that an event of a customer waited that may not wait. */
  readonly longestWaitMs: number;
  readonly isWell: boolean;
}

/** When events of one customer were posted that are not billed yet, oldest first: how many, and when. */
class Waiting {
  readonly #rounds: { atMs: number; events: number }[] = [];
  #head = 0;
  posted = 0;
  billed = 0;
  longestMs = 0;

  post(atMs: number): void {
    this.posted++;
    const last = this.#rounds.at(-1);
    if (last?.atMs === atMs) last.events++;
    else this.#rounds.push({ atMs, events: 1 });
  }

  look(billed: number, nowMs: number): void {
    let more = billed - this.billed;
    this.billed = billed;
    for (let round = this.#rounds[this.#head]; round !== undefined && more > 0; round = this.#rounds[this.#head]) {
      this.longestMs = Math.max(this.longestMs, nowMs - round.atMs);
      const taken = Math.min(more, round.events);
      more -= taken;
      round.events -= taken;
      if (round.events === 0) this.#head++;
    }
    const oldest = this.#rounds[this.#head];
    if (oldest !== undefined) this.longestMs = Math.max(this.longestMs, nowMs - oldest.atMs);
  }
}

const roundMs = 250;
const lookMs = 1_000;

/** Posts usage of every account at the rate, and looks all the time at who is billed how late. */
export async function runNeighbours(
  cluster: Cluster,
  plan: NeighboursPlan,
  say: (line: string) => void,
): Promise<readonly NeighbourVerdict[]> {
  const { ratePerS, flushIntervalMs } = plan;
  const all = neighbours(plan.accounts);
  await breakNeighbours(all, cluster);
  const customers = all.flatMap((neighbour) =>
    Array.from({ length: customersEach }, (_, customer) => ({ neighbour, customer, waiting: new Waiting() })),
  );
  const byName = new Map(
    customers.map(({ neighbour, customer, waiting }) => [customerName(neighbour.account, customer), waiting]),
  );
  const allowedMs = 2 * flushIntervalMs + roundMs + lookMs;

  const look = async (): Promise<void> => {
    const askedAtMs = performance.now();
    const { totals } = await fetchLedger(cluster.simulator?.url ?? '', true);
    const billed = new Map<string, number>();
    for (const { customer, value } of totals) billed.set(customer, (billed.get(customer) ?? 0) + Number(value));
    for (const [name, waiting] of byName) waiting.look(billed.get(name) ?? 0, askedAtMs);
  };

  const startMs = performance.now();
  const endMs = startMs + plan.minutes * 60_000;
  let [next, lookAtMs, sayAtMs, events] = [0, startMs + lookMs, startMs + 60_000, 0];
  while (performance.now() < endMs) {
    const nowMs = performance.now();
    const due = Math.floor(((nowMs - startMs) / 1_000) * ratePerS) - events;
    const batches = cluster.publishers.map(() => [] as ReturnType<typeof eventOf>[]);
    for (let event = 0; event < due; event++, next++) {
      const chosen = customers[next % customers.length]!;
      chosen.waiting.post(nowMs);
      // A customer's events go through one sidecar.
      batches[(next % customers.length) % batches.length]!.push(eventOf(chosen.neighbour, chosen.customer, `e${next}`));
    }
    events += due;
    await Promise.all(batches.map((batch, index) => post(cluster, index, batch)));
    if (nowMs >= lookAtMs) {
      lookAtMs = nowMs + lookMs;
      await look();
    }
    if (nowMs >= sayAtMs) {
      sayAtMs += 60_000;
      say(`${Math.round((nowMs - startMs) / 60_000)} min, ${events} events posted`);
    }
    await sleep(Math.max(0, roundMs - (performance.now() - nowMs)));
  }
  // What was posted last has its time too.
  for (const untilMs = performance.now() + allowedMs; performance.now() < untilMs; await sleep(lookMs)) {
    await look();
    if (
      customers.every(
        ({ neighbour, customer, waiting: { posted, billed } }) => mayWait(neighbour, customer) || billed >= posted,
      )
    )
      break;
  }
  return all.map((neighbour) => {
    const own = customers.filter((customer) => customer.neighbour === neighbour);
    const innocent = own.filter(({ customer }) => !mayWait(neighbour, customer));
    const longestWaitMs = Math.max(0, ...innocent.map(({ waiting }) => waiting.longestMs));
    const isBilled = innocent.every(({ waiting }) => waiting.billed === waiting.posted);
    return {
      account: neighbour.account ?? "the platform's own",
      fault: neighbour.fault,
      posted: own.reduce((sum, { waiting }) => sum + waiting.posted, 0),
      billed: own.reduce((sum, { waiting }) => sum + waiting.billed, 0),
      longestWaitMs,
      isWell: isBilled && longestWaitMs <= allowedMs,
    };
  });
}

const batchMax = 2_000;

async function post(cluster: Cluster, place: number, batch: readonly ReturnType<typeof eventOf>[]): Promise<void> {
  const publisher = cluster.publishers[place];
  if (publisher === undefined) throw new Error(`There is no sidecar ${place}.`);
  for (let from = 0; from < batch.length; from += batchMax)
    await postEvents(publisher, ...batch.slice(from, from + batchMax));
}

export function verdictLine({ account, fault, posted, billed, longestWaitMs, isWell }: NeighbourVerdict): string {
  const waited = `${(longestWaitMs / 1_000).toFixed(1)} s`;
  return `${isWell ? 'ok  ' : 'LATE'} ${account.padEnd(20)} ${fault.padEnd(52)} ${String(billed).padStart(8)} of ${String(posted).padStart(8)} events billed, others waited ${waited} at most`;
}
