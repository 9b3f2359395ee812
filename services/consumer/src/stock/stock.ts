import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { shardKeys } from '../../../../shared/journal/keys.ts';
import { EntryBook } from '../../../../shared/journal/entry-book.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { counted, type Troubles } from '../../../../shared/log/troubles.ts';
import { type Channels, exchangeExists, queueStates } from '../../../../shared/topology/broker-view.ts';
import { deadExchange, shardQueue, usageExchange } from '../../../../shared/topology/names.ts';
import { refusedParkedMax } from '../counting/refused-entries.ts';
import { type Parked, ParkedCounts } from './parked-counts.ts';

/**
 * What waits in the queues and what is parked in the journals of the whole cluster, owned or not: each consumer looks every
 * quarter of a minute, so that it is known as long as one of them lives, whoever owns what. A look is one question per queue
 * and one count per shard; nothing is read through. What could not be looked at keeps its last value.
 */
export interface StockPlace {
  readonly redis: Redis;
  readonly namespace: string;
  readonly shards: number;
  /** The broker connection that is up, if any. */
  readonly channels: () => Channels | undefined;
  readonly troubles: Troubles;
  readonly log: Logger;
}

const everyMs = 15_000;
const topologyReason = 'topology_incomplete';
const unownedReason = 'shards_unowned';
const crowdedReason = 'parked_entries_crowded';

export class Stock {
  readonly #place: StockPlace;
  readonly #queues = new Map<string, number>();
  readonly #parked: ParkedCounts;
  #deadLetters: number | undefined;
  #missing: readonly string[] = [];
  #unowned: readonly number[] = [];

  constructor(place: StockPlace) {
    this.#place = place;
    this.#parked = new ParkedCounts(new EntryBook(place.redis, place.namespace));
  }

  /** Messages of each shard queue that no consumer has taken. */
  get queues(): ReadonlyMap<string, number> {
    return this.#queues;
  }

  /** Entries of each shard that are dead or in doubt, and wait for a person. */
  get parked(): ReadonlyMap<number, Parked> {
    return this.#parked.shards;
  }

  /** Messages in the dead-letter queue; undefined: not looked at so far. */
  get deadLetters(): number | undefined {
    return this.#deadLetters;
  }

  /** Exchanges and queues that the topology has and the broker has not. */
  get missing(): readonly string[] {
    return this.#missing;
  }

  get messagesWaiting(): number {
    return sum(this.#queues.values());
  }

  get remarks(): string[] {
    const { dead, inDoubt } = this.#parked.sum;
    const letters = this.#deadLetters ?? 0;
    const remarks: string[] = [];
    if (dead > 0)
      remarks.push(
        `${counted(dead, 'entry is', 'entries are')} dead in the journal: not billed until a person decides. Run tallyman entries list --state dead.`,
      );
    if (inDoubt > 0)
      remarks.push(
        `${counted(inDoubt, 'entry is', 'entries are')} in doubt in the journal: billed or not, which nobody knows until a person compares with Stripe. Run tallyman entries list --state in_doubt.`,
      );
    if (letters > 0) {
      const queue = deadExchange(this.#place.namespace);
      remarks.push(
        `${counted(letters, 'message that cannot be read is', 'messages that cannot be read are')} in the queue ${queue}: not billed. The header x-tallyman-reason says why.`,
      );
    }
    return remarks;
  }

  /** Looks until `signal` aborts; `looked` is called each time. */
  async keep(signal: AbortSignal, looked: () => void): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      looked();
      await sleep(everyMs, undefined, { signal }).catch(() => {
        // Aborted, and the loop sees it.
      });
    }
  }

  /** Never rejects. */
  async look(): Promise<void> {
    const looked = await Promise.allSettled([this.#lookAtBroker(), this.#lookAtJournals()]);
    for (const { status, ...result } of looked) {
      // Broker or Redis are away just now: their connections say so.
      if (status === 'rejected') this.#place.log.debug(result, 'Queues or journals could not be read.');
    }
  }

  async #lookAtBroker(): Promise<void> {
    const { namespace, shards } = this.#place;
    const channels = this.#place.channels();
    if (channels === undefined) return;
    const names = Array.from({ length: shards }, (_, shard) => shardQueue(namespace, shard));
    const dead = deadExchange(namespace);
    const states = await queueStates(channels, [...names, dead]);
    const exchanges: string[] = [];
    for (const exchange of [usageExchange(namespace), dead]) {
      if (!(await exchangeExists(channels, exchange))) exchanges.push(`exchange ${exchange}`);
    }
    for (const name of names) {
      const ready = states.get(name)?.ready;
      if (ready === undefined) this.#queues.delete(name);
      else this.#queues.set(name, ready);
    }
    this.#deadLetters = states.get(dead)?.ready;
    const queues = [...names, dead].filter((name) => !states.has(name)).map((name) => `queue ${name}`);
    this.#foundMissing([...exchanges, ...queues]);
  }

  #foundMissing(missing: readonly string[]): void {
    this.#missing = missing;
    const { troubles } = this.#place;
    if (missing.length === 0) {
      troubles.over(topologyReason, 'The broker has all exchanges and queues again.');
      return;
    }
    const shown = missing.slice(0, 5).join(', ');
    const more = missing.length > 5 ? ` and ${counted(missing.length - 5, 'other')}` : '';
    troubles.tell({
      reason: topologyReason,
      level: 'error',
      message:
        'The broker has lost exchanges or queues of this cluster: new usage for them waits in the spools of publishers; what was in a deleted queue is gone. Run tallyman topology.',
      fields: { missing },
      remark: `The broker lacks ${shown}${more}: usage for it cannot be published. Run tallyman topology.`,
    });
  }

  async #lookAtJournals(): Promise<void> {
    const { redis, namespace, shards } = this.#place;
    const before = this.#parked.sum;
    await Promise.all(Array.from({ length: shards }, (_, shard) => this.#parked.look(shard)));
    const now = this.#parked.sum;
    if (before.dead + before.inDoubt > 0 && now.dead + now.inDoubt === 0)
      this.#place.log.info('No entry is dead or in doubt any more: a person has decided about all of them.');
    this.#foundCrowded([...this.#parked.shards].filter(isCrowded).map(([shard]) => shard));
    if (this.#place.channels() === undefined) return;
    const leases = await Promise.all(
      Array.from({ length: shards }, (_, shard) => redis.exists(shardKeys(namespace, shard).lease)),
    );
    this.#foundUnowned(leases.flatMap((exists, shard) => (exists === 0 ? [shard] : [])));
  }

  /** Shards in which refused entries are added up by the day, or by more. */
  #foundCrowded(shards: readonly number[]): void {
    const { troubles } = this.#place;
    if (shards.length === 0) {
      troubles.over(
        crowdedReason,
        'No shard has so many parked entries any more that refused ones are added up by the day.',
      );
      return;
    }
    const what = `${counted(shards.length, 'shard has', 'shards have')} ${refusedParkedMax} parked entries or more`;
    troubles.tell({
      reason: crowdedReason,
      level: 'error',
      message:
        'Too many entries are parked: usage whose meter does not exist is added up by the day, beyond twice as many by 35 days, and loses its dimensions. No amount is lost. Run tallyman entries list --summary, then mend the cause.',
      fields: { shards },
      remark: `${what}: usage whose meter does not exist is added up by the day or more. Run tallyman entries list --summary.`,
    });
  }

  /** Shards without an owner in two looks in a row: longer than a takeover takes. */
  #foundUnowned(unowned: readonly number[]): void {
    const still = unowned.filter((shard) => this.#unowned.includes(shard));
    this.#unowned = unowned;
    const { troubles } = this.#place;
    if (still.length === 0) troubles.over(unownedReason, 'Every shard has an owner again.');
    else {
      troubles.tell({
        reason: unownedReason,
        level: 'error',
        message:
          'Shards have no owner, for longer than a takeover takes: their usage waits in the broker. See whether all consumers are ready, and why not in their /readyz.',
        fields: { shards: still },
        remark: `${counted(still.length, 'shard has', 'shards have')} no owner: usage waits in the broker.`,
      });
    }
  }
}

function isCrowded([, { dead, inDoubt }]: readonly [number, Parked]): boolean {
  return dead + inDoubt >= refusedParkedMax;
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
