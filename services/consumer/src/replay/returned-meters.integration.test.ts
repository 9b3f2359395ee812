import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, expect, it } from 'vitest';
import { EntryBook, type FoundEntry } from '../../../../shared/journal/entry-book.ts';
import { newestFormat } from '../../../../shared/journal/format.ts';
import type { Entry, ParkedEntry, SettledAs } from '../../../../shared/journal/journal.ts';
import { createRedisJournal } from '../../../../shared/journal/redis-journal.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { commitOf, token } from '../../../../shared/testing/journal-samples.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { entry, meter, metersOf } from '../shard/testing/fixtures.ts';
import { ReturnedMeters } from './returned-meters.ts';

const redis = new Redis(sharedServices().redisUrl);
afterAll(() => redis.disconnect());
const log = createLog({ service: 'test', level: 'silent' });

/** A shard with entries that Stripe refused a second ago because their meter was archived. */
async function shardOfDead(namespace: string, shard: number, entries: readonly Entry[]): Promise<void> {
  const journal = createRedisJournal({ redis, namespace, shard, format: () => newestFormat });
  await journal.claim('owner', 600_000);
  const parkedAtMs = (await new EntryBook(redis, namespace).now()) - 1_000;
  const reason = 'archived_meter: it is archived';
  const parked = entries.map((dead): ParkedEntry => ({
    entry: dead,
    state: 'dead',
    reason,
    attempts: 1,
    parkedAtMs,
    set: 1,
  }));
  await journal.commit(1, { ...commitOf(1), entries });
  await journal.progress(1, 1, token, new Map(entries.map((_, index): [number, SettledAs] => [index, 'dead'])), parked);
}

async function waitingIn(book: EntryBook, shards: readonly number[]): Promise<readonly FoundEntry[]> {
  const waiting: FoundEntry[] = [];
  for (const shard of shards) {
    for await (const found of book.list(shard, new Set(['waiting' as const]))) waiting.push(found);
  }
  return waiting;
}

const tenure = {};
const nobody = (): never => expect.unreachable('no account is asked for');

it('puts down as replays what its meter was missing for, in the shards that are owned, once', async () => {
  const namespace = `test-${randomUUID()}`;
  const book = new EntryBook(redis, namespace);
  for (const shard of [0, 1]) {
    const entries = Array.from({ length: 450 }, (_, index) =>
      entry({ identifier: `tm1-ab-00${shard}-1-cd-${index}`, meter: index % 3 === 0 ? 'seats' : 'requests' }),
    );
    await shardOfDead(namespace, shard, entries);
  }
  const returned = new ReturnedMeters({ book, ownedShards: () => new Map([[1, tenure]]), needMeters: nobody, log });
  await returned.look({ meters: metersOf(meter('requests')), askedAtMs: performance.now() });

  const waiting = await waitingIn(book, [0, 1]);
  expect(waiting).toHaveLength(300);
  expect(new Set(waiting.map(({ shard, record }) => `${shard} ${record.entry.meter}`))).toEqual(
    new Set(['1 requests']),
  );
  expect(waiting[0]?.record.history).toMatchObject([{ decision: { by: 'tallyman', why: 'the meter is back' } }]);
});

it("goes by a connected account's own meters, and asks for those that are not known", async () => {
  const namespace = `test-${randomUUID()}`;
  const book = new EntryBook(redis, namespace);
  const accounts = ['acct_listed', 'acct_without', 'acct_unread'];
  await shardOfDead(
    namespace,
    0,
    accounts.map((account, index) => entry({ identifier: `tm1-ab-000-1-cd-${index}`, account })),
  );
  const asked: string[] = [];
  const needMeters = (account: string): void => void asked.push(account);
  const returned = new ReturnedMeters({ book, ownedShards: () => new Map([[0, tenure]]), needMeters, log });
  const askedAtMs = performance.now();
  const connected = new Map([
    ['acct_listed', { meters: metersOf(meter('requests')), askedAtMs }],
    ['acct_without', { meters: metersOf(meter('seats')), askedAtMs }],
  ]);
  await returned.look({ meters: metersOf(meter('requests')), askedAtMs, connected });
  expect((await waitingIn(book, [0])).map(({ record }) => record.entry.account)).toEqual(['acct_listed']);
  expect(asked).toEqual(['acct_unread']);
});

it('looks again with the same meters after it could not, and not after it could', async () => {
  const namespace = `test-${randomUUID()}`;
  const book = new EntryBook(redis, namespace);
  await shardOfDead(namespace, 0, [entry({ identifier: 'tm1-ab-000-1-cd-0' })]);
  let lists = 0;
  const failing: Pick<EntryBook, 'now' | 'list' | 'replay'> = {
    now: () => book.now(),
    replay: (shard, found, decision) => book.replay(shard, found, decision),
    list: (shard, states, mayMatter) => {
      if (++lists === 1) throw new Error('Redis is away');
      return book.list(shard, states, mayMatter);
    },
  };
  const returned = new ReturnedMeters({
    book: failing,
    ownedShards: () => new Map([[0, tenure]]),
    needMeters: nobody,
    log,
  });
  const catalog = { meters: metersOf(meter('requests')), askedAtMs: performance.now() };
  await returned.look(catalog);
  expect(await waitingIn(book, [0])).toHaveLength(0);
  await returned.look(catalog);
  expect(await waitingIn(book, [0])).toHaveLength(1);
  await returned.look(catalog);
  expect(lists).toBe(2);
});

it('goes on with the next list of meters when Redis is away', async () => {
  const away = new Redis({ port: 1, lazyConnect: true, retryStrategy: () => null });
  const returned = new ReturnedMeters({
    book: new EntryBook(away, 'n'),
    ownedShards: () => new Map([[0, tenure]]),
    needMeters: nobody,
    log,
  });
  away.on('error', () => undefined);
  await expect(returned.look({ meters: new Map(), askedAtMs: 0 })).resolves.toBeUndefined();
  away.disconnect();
});
