import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Sum } from '../../../../shared/decimal/decimal.ts';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import { EntryBook, type FoundEntry } from '../../../../shared/journal/entry-book.ts';
import { newestFormat } from '../../../../shared/journal/format.ts';
import type { ShardJournal } from '../../../../shared/journal/journal.ts';
import { shardKeys } from '../../../../shared/journal/keys.ts';
import { createRedisJournal } from '../../../../shared/journal/redis-journal.ts';
import type { BackingService } from '../../../../shared/testing/backing-service.ts';
import { startRedis } from '../../../../shared/testing/redis.ts';
import { ShardMemory } from '../counting/memory.ts';
import type { MeterCatalog } from '../meters/meter-list.ts';
import type { ShardLimits } from '../shard/shard-limits.ts';
import {
  catalogOf,
  hourMs,
  meter,
  minuteMs,
  origin,
  outcomes,
  shardLimits,
  startRedisMs,
  steadyRandom,
  usageEvent,
} from '../shard/testing/fixtures.ts';
import { Flight } from './flight.ts';
import type { JournalAnswer, JournalWrite } from './write.ts';

let service: BackingService;
let redis: Redis;
beforeAll(async () => {
  // Not synced at every write: thousands of them, and nobody kills this Redis.
  service = await startRedis({ appendfsync: 'no' });
  redis = new Redis(service.url);
});
afterAll(async () => {
  redis.disconnect();
  await service.stop();
});

const typo = 'api_cals';
/** The first set stays apart. Of each customer the others have windows of two hours. */
const [sets, customers, windows, hours] = [100, 50, 20, 2];
const noMeters: MeterCatalog = { ...catalogOf(), askedAtMs: Number.POSITIVE_INFINITY };

/** One shard on the real journal, whose consumer takes whatever it is sent. */
class Shard {
  readonly namespace = randomUUID();
  readonly journal: ShardJournal = createRedisJournal({
    redis,
    namespace: this.namespace,
    shard: 7,
    format: () => newestFormat,
  });
  readonly book = new EntryBook(redis, this.namespace);
  readonly memory: ShardMemory;
  readonly flight: Flight;
  readonly billed = new Map<string, { readonly value: Sum; events: number }>();
  #epoch = 0;
  #messages = 0;

  constructor(said: Partial<ShardLimits>) {
    const limits = shardLimits({ windowMaxMs: hourMs, ...said });
    this.memory = new ShardMemory(limits);
    this.flight = new Flight({ ...limits, random: steadyRandom() });
  }

  async own(): Promise<void> {
    const claim = await this.journal.claim('owner', 600_000);
    if (!claim.granted) throw new Error('held');
    this.#epoch = claim.epoch;
    const state = await this.journal.load(claim.epoch);
    if (state === 'stale') throw new Error('stale');
    this.memory.load(state);
    this.flight.load(state, 0, 0);
  }

  async takeSet(events: readonly UsageEvent[]): Promise<void> {
    const from = origin(1, { producer: `producer-${this.#messages++}` });
    this.memory.count(from, events, this.flight.next, startRedisMs, noMeters, 0);
    this.flight.seal(this.memory, noMeters, true, 0);
    await this.write();
    if (this.flight.pendingSet !== undefined) throw new Error('The set did not settle.');
  }

  /** Until there is nothing to write and nothing to call. */
  async write(catalog = noMeters): Promise<void> {
    for (;;) {
      this.flight.tick(0);
      const write = this.flight.nextWrite(0, true);
      if (write !== undefined) this.flight.written(await this.#carryOut(write), 0);
      else if (!this.#call(catalog)) return;
    }
  }

  #call(catalog: MeterCatalog): boolean {
    const call = this.flight.calls.take(0, '', catalog);
    if (call === undefined) return false;
    const { customer, value, events } = call.entry;
    const billed = this.billed.get(customer) ?? { value: new Sum(), events: 0 };
    this.billed.set(customer, billed);
    billed.value.add(value);
    billed.events += events;
    call.ended(outcomes.accepted, 0, true);
    return true;
  }

  async replayAll(): Promise<number> {
    const { book } = this;
    const found: FoundEntry[] = [];
    for await (const entry of book.list(7, new Set(['dead' as const]))) found.push(entry);
    const moved = await book.replay(7, found, { by: 'alice', why: 'the meter is there', atMs: await book.now() });
    this.flight.replaysWait(moved.size);
    return moved.size;
  }

  async size(): Promise<{ readonly entries: number; readonly bytes: number }> {
    const { parked, sums } = shardKeys(this.namespace, 7);
    const bytes = await Promise.all(
      [parked, sums(await this.book.now())].map((key) => redis.memory('USAGE', key, 'SAMPLES', 0)),
    );
    return { entries: await redis.hlen(parked), bytes: bytes.reduce<number>((sum, one) => sum + (one ?? 0), 0) };
  }

  #carryOut(write: JournalWrite): Promise<JournalAnswer> {
    const [journal, epoch] = [this.journal, this.#epoch];
    switch (write.kind) {
      case 'commit':
        return journal.commit(epoch, write.commit);
      case 'mark':
        return journal.mark(epoch, write.set, write.token, write.entries);
      case 'progress':
        return journal.progress(epoch, write.set, write.token, write.settled, write.parked, write.additions);
      case 'complete':
        return journal.complete(epoch, write.set, write.token, write.progressWrites);
      case 'settle_deferred':
        return journal.settleDeferred(epoch, write.identifier, write.outcome);
      case 'read_totals':
        return journal.readTotals(epoch, write.fields);
      case 'read_sums':
        return journal.readSums(epoch, write.atMs, write.keys);
      case 'peek_replays':
        return journal.peekReplays(epoch, write.max);
      case 'take_replays':
        return journal.takeReplays(epoch, write.replays);
    }
  }
}

function misspelt(set: number): UsageEvent[] {
  return Array.from({ length: customers * windows }, (_, index) =>
    usageEvent({
      id: `${set}-${index}`,
      meter: typo,
      customer: `cus_${index % customers}`,
      value: '0.1',
      timestamp: (startRedisMs + (Math.floor(index / customers) + (set % 3)) * 5 * minuteMs) / 1000,
    }),
  );
}

async function flooded(said: Partial<ShardLimits> = {}, times = sets): Promise<Shard> {
  const shard = new Shard(said);
  await shard.own();
  for (let set = 0; set < times; set++) await shard.takeSet(misspelt(set));
  return shard;
}

/**
 * One typo left 100,000 entries in 4 s, each half a kilobyte until somebody decided, and no set had so many that its own were merged:
 * 54.6 MB in Redis. Now they are 1,100 entries and 0.6 MB; and the bill after the meter was made is the same to the last digit.
 */
it(
  'a typo that goes on leaves some entries per customer, whose replay bills all of it exactly',
  { timeout: 120_000 },
  async () => {
    const apart = await (await flooded({ refusedApartMax: Number.POSITIVE_INFINITY }, sets / 10)).size();
    expect(apart.entries * 10).toBe(100_000);
    const shard = await flooded();
    const after = await shard.size();
    expect(after.entries).toBe(customers * (windows + hours));
    expect(after.bytes * 50).toBeLessThan(apart.bytes * 10);
    expect(await shard.replayAll()).toBe(after.entries);
    await shard.write(catalogOf(meter(typo)));
    const perCustomer = { value: `${(sets * windows) / 10}`, events: sets * windows };
    expect([...shard.billed.values()].map(({ value, events }) => ({ value: value.toString(), events }))).toEqual(
      Array.from({ length: customers }, () => perCustomer),
    );
    expect((await shard.size()).entries).toBe(0);
  },
);
