import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { commitOf, entryOf, parkedOf, token } from '../testing/journal-samples.ts';
import { sharedServices } from '../testing/shared-services.ts';
import { EntryBook, type FoundEntry } from './entry-book.ts';
import { closedStates, type EntryState, openStates } from './entry-states.ts';
import type { Entry, ParkedEntry, SettledAs, ShardJournal } from './journal.ts';
import { shardKeys } from './keys.ts';
import { mover } from './move.ts';
import { encodeParked, newestFormat } from './format.ts';
import { createRedisJournal } from './redis-journal.ts';

/** What people see of a real journal, beside what the contract says about decisions. */
const shard = 0;
const ttlMs = 600_000;
const count = 1_200;

let redis: Redis;
let namespace: string;
let journal: ShardJournal;
let book: EntryBook;

beforeAll(() => {
  redis = new Redis(sharedServices().redisUrl);
});
afterAll(() => redis.disconnect());
beforeEach(async () => {
  namespace = `test-${randomUUID()}`;
  journal = createRedisJournal({ redis, namespace, shard, format: () => newestFormat });
  book = new EntryBook(redis, namespace);
  await journal.claim('owner', ttlMs);
});

const identified = (index: number): Entry => ({ ...entryOf(index), identifier: `tm1-ab-000-1-cd-${index}` });
const dead = (index: number): ParkedEntry => ({ ...parkedOf(index, 'dead'), entry: identified(index) });

async function parkAll(): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => index);
  await journal.commit(1, { ...commitOf(1), entries: [...indexes, count, count + 1].map(identified) });
  await journal.mark(1, 1, token, [count]);
  const settled = new Map<number, SettledAs>(indexes.map((index) => [index, 'dead']));
  await journal.progress(1, 1, token, settled, indexes.map(dead));
  await journal.progress(1, 1, token, new Map([[count + 1, 'accepted']]), []);
}

async function listed(...states: readonly EntryState[]): Promise<FoundEntry[]> {
  const found: FoundEntry[] = [];
  for await (const entry of book.list(shard, new Set(states))) found.push(entry);
  return found;
}

const decision = { by: 'alice', why: 'w', atMs: Date.now() };

it('lists every entry of a long list once, and counts them', async () => {
  await parkAll();
  const found = await listed(...openStates);
  expect(new Set(found.map(({ record }) => record.entry.identifier)).size).toBe(count);
  expect(await book.count(shard, new Set(['dead']))).toBe(count);
  expect(await listed('in_doubt', 'waiting', 'deferred', ...closedStates)).toEqual([]);
});

it('tells entries in doubt from dead ones, whatever their dimensions are called', async () => {
  await parkAll();
  expect(await book.countInDoubt(shard)).toBe(0);
  const { parked } = shardKeys(namespace, shard);
  const put = async (index: number, state: ParkedEntry['state'], dimensions: Record<string, string>) => {
    const record: ParkedEntry = { ...dead(index), state, entry: { ...identified(index), dimensions } };
    await redis.hset(parked, record.entry.identifier, encodeParked(record, newestFormat));
  };
  await put(1, 'in_doubt', {});
  await put(2, 'dead', { state: 'in_doubt' });
  await put(count, 'in_doubt', { state: 'dead' });
  expect(await book.countInDoubt(shard)).toBe(2);
  expect(await book.count(shard, new Set(['dead', 'in_doubt']))).toBe(count + 1);
});

it('takes no decision about what has changed since it was read', async () => {
  await parkAll();
  const [first, second] = await listed('dead');
  if (first === undefined || second === undefined) throw new Error('nothing is parked');
  const changed = { ...first, text: first.text.replace('"attempts":2', '"attempts":3') };
  expect(await book.replay(shard, [changed, second], decision)).toEqual(new Set([second.record.entry.identifier]));
  expect(await book.close(shard, [second], 'discarded', decision)).toEqual(new Set());
  expect(await book.close(shard, [first], 'discarded', decision)).toEqual(new Set([first.record.entry.identifier]));
  expect((await listed('dead')).length).toBe(count - 2);
  expect(await listed('waiting', 'discarded')).toHaveLength(2);
});

it('decides nothing while entries are carried to another shard', async () => {
  await parkAll();
  const [first] = await listed('dead');
  if (first === undefined) throw new Error('nothing is parked');
  await journal.release(1);
  const moving = createRedisJournal({ redis, namespace, shard, format: () => newestFormat });
  await moving.claim(mover, ttlMs);
  await expect(book.replay(shard, [first], decision)).rejects.toThrow('run the same again');
  await expect(book.close(shard, [first], 'discarded', decision)).rejects.toThrow(
    'The number of shards is being changed',
  );
  await moving.release(2);
  expect((await book.replay(shard, [first], decision)).size).toBe(1);
});

it('finds an entry that was carried to another shard', async () => {
  await parkAll();
  const { parked } = shardKeys(namespace, shard);
  await redis.rename(parked, shardKeys(namespace, 5).parked);
  expect(await book.find(identified(3).identifier)).toMatchObject({ shard: 5, state: 'dead' });
});

it('finds an entry by any identifier that it ever had', async () => {
  await parkAll();
  const identifier = identified(7).identifier;
  const found = await book.find(identifier);
  if (found === undefined) throw new Error('it is parked');
  await book.replay(shard, [found], decision);
  const { redisMs, replays } = await peeked();
  await journal.takeReplays(1, replays);
  expect(await book.find(identifier)).toMatchObject({ state: 'deferred' });
  const [replay] = replays;
  if (replay === undefined) throw new Error('it waits');
  await journal.settleDeferred(1, `${identifier}-r1`, { ...replay, state: 'accepted', parkedAtMs: redisMs });
  for (const name of [identifier, `${identifier}-r1`, `${identifier}-r5`])
    expect(await book.find(name)).toMatchObject({ state: 'accepted', record: { history: [{ decision }] } });
  expect(await book.find('tm1-ab-000-1-cd-99999')).toBeUndefined();
  expect(await book.find('something else')).toBeUndefined();
  expect(await listed('accepted')).toHaveLength(1);
});

async function peeked() {
  const answer = await journal.peekReplays(1, 64);
  if (answer.answer === 'stale') throw new Error('stale');
  return answer;
}

it('shows a replay among many, however the hash is laid out', async () => {
  await parkAll();
  const found = await listed('dead');
  await book.replay(shard, found, decision);
  const seen = new Set<string>();
  for (let { replays } = await peeked(); replays.length > 0; { replays } = await peeked()) {
    const answer = await journal.takeReplays(1, replays);
    if (answer.answer === 'ok') for (const identifier of answer.taken) seen.add(identifier);
  }
  expect(seen.size).toBe(count);
});

it('finds an entry that was never parked in its set, pending or settled', async () => {
  await parkAll();
  const [underWay, accepted] = [identified(count).identifier, identified(count + 1).identifier];
  expect(await book.findInSet(underWay)).toEqual({
    entry: identified(count),
    isAccepted: false,
    isAddedUp: false,
    attemptedAtMs: expect.any(Number),
  });
  const billed = { isAccepted: true, isAddedUp: false };
  expect(await book.findInSet(accepted)).toEqual({ entry: identified(count + 1), ...billed });
  await journal.complete(1, 1, token, 2);
  expect(await book.findInSet(underWay)).toEqual({ entry: identified(count), ...billed });
  expect(await book.findInSet('tm1-ab-000-2-cd-0')).toBeUndefined();
});

// It was never sent, and `show` said of it "accepted: it is billed" once its set was settled.
it('does not take an entry for billed that was never sent, and whose amount another one has', async () => {
  const refused: Entry[] = [0, 1].map((index) => ({ ...identified(index), refusal: 'no_meter: none' }));
  await journal.commit(1, { ...commitOf(1), entries: refused });
  const underWay = { entry: refused[1], isAccepted: false, isAddedUp: false };
  expect(await book.findInSet(identified(1).identifier)).toEqual(underWay);
  const own = { ...dead(0), entry: { ...identified(0), refusal: 'no_meter: none', value: '3', events: 6 } };
  const settled = new Map<number, SettledAs>([0, 1].map((index) => [index, 'dead']));
  await journal.progress(1, 1, token, settled, [], [{ key: 'k', own }]);
  const addedUp = { entry: refused[1], isAccepted: false, isAddedUp: true };
  expect(await book.findInSet(identified(1).identifier)).toEqual(addedUp);
  await journal.complete(1, 1, token, 1);
  expect(await book.findInSet(identified(1).identifier)).toEqual(addedUp);
  expect(await book.find(identified(0).identifier)).toMatchObject({ record: { entry: { value: '3', events: 6 } } });
  expect(await book.find(identified(1).identifier)).toBeUndefined();
});

it('keeps closed entries by the month, for 400 days after the last', async () => {
  await parkAll();
  const [first] = await listed('dead');
  if (first === undefined) throw new Error('nothing is parked');
  await book.close(shard, [first], 'discarded', decision);
  const key = shardKeys(namespace, shard).closed(decision.atMs);
  const days = (await redis.pttl(key)) / 86_400_000;
  expect(days).toBeGreaterThan(399.9);
  expect(days).toBeLessThanOrEqual(400);
});

it('refuses a journal in a format that it does not know', async () => {
  await redis.hset(shardKeys(namespace, shard).head, { format: '3' });
  await expect(listed('dead')).rejects.toThrow(/shard 0 is in format 3/);
  await expect(book.find(identified(0).identifier)).rejects.toThrow('Run the version that wrote it');
});
