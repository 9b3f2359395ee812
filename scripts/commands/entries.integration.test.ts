/** `tallyman entries` as a person runs it, on the journal of a cluster without consumers. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EntryBook } from '../../shared/journal/entry-book.ts';
import { openStates } from '../../shared/journal/entry-states.ts';
import type { Entry, ParkedEntry, ShardJournal } from '../../shared/journal/journal.ts';
import { newestFormat } from '../../shared/journal/format.ts';
import { createRedisJournal } from '../../shared/journal/redis-journal.ts';
import { plainEnvironment } from '../../shared/testing/child.ts';
import { commitOf, token } from '../../shared/testing/journal-samples.ts';
import { type Nursery, openNursery } from '../../shared/testing/nursery.ts';
import { sharedServices } from '../../shared/testing/shared-services.ts';
import { writeTopology } from '../../shared/topology/record.ts';

const script = new URL('./tallyman.ts', import.meta.url).pathname;
const shard = 1;
const ttlMs = 600_000;

const { redisUrl, namespace } = sharedServices();
const redis = new Redis(redisUrl);
let nursery: Nursery;
let journal: ShardJournal;

beforeAll(async () => {
  nursery = await openNursery();
  await writeTopology(redis, namespace, { shards: 2, declared: true });
});
afterAll(async () => {
  redis.disconnect();
  await nursery.close();
});

let runs = 0;
async function run(...args: readonly string[]): Promise<{ code: number | null; words: string }> {
  const env = { ...plainEnvironment(), REDIS_URL: redisUrl, TALLYMAN_NAMESPACE: namespace };
  const child = await nursery.spawn(`entries-${++runs}`, process.execPath, [script, 'entries', ...args], { env });
  const { code } = await child.exited;
  return { code, words: await child.lastLines(200) };
}

function entry(index: number): Entry {
  return {
    identifier: `tm1-${'ab'.repeat(16)}-001-1-0a0b0c0d-${index}`,
    customer: `cus_${index % 3}`,
    meter: 'calls',
    value: '2.5',
    timestamp: 1_795_316_400,
    windowStartMs: 1_795_316_400_000,
    events: 2,
  };
}

const count = 450;

it('lists, shows, replays, discards and resolves, each once, with who and why kept', async () => {
  journal = createRedisJournal({ redis, namespace, shard, format: () => newestFormat });
  await journal.claim('owner', ttlMs);
  const states = Array.from({ length: count }, (_, index): ParkedEntry['state'] => (index < 2 ? 'in_doubt' : 'dead'));
  const parked = states.map((state, index): ParkedEntry => {
    const reason = state === 'dead' ? 'archived_meter: it is archived' : 'unknown_outcome: no answer';
    return { entry: entry(index), state, reason, attempts: 1, attemptedAtMs: 5, parkedAtMs: Date.now(), set: 1 };
  });
  await journal.commit(1, { ...commitOf(1), entries: Array.from({ length: count + 1 }, (_, index) => entry(index)) });
  await journal.progress(1, 1, token, new Map(states.map((state, index) => [index, state])), parked);
  await journal.progress(1, 1, token, new Map([[count, 'accepted']]), []);

  const listed = await run('list', '--json', '--state', 'in_doubt');
  expect(listed.code).toBe(0);
  expect(
    listed.words
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
  ).toHaveLength(2);
  expect((await run('list')).words).toContain(`${count} entries, ${count - 100} of them not shown (--limit).`);
  expect((await run('show', entry(count).identifier)).words).toContain('accepted: it is billed');
  expect((await run('show', entry(count + 1).identifier)).code).toBe(1);

  const dry = await run('replay', '--meter', 'calls', '--why', 'reactivated', '--dry-run');
  expect(dry.words).toContain(`${count - 2} entries would be replayed. Nothing was changed.`);
  const some = await run('replay', '--customer', 'cus_2', '--why', 'reactivated', '--by', 'alice');
  expect([some.code, some.words]).toEqual([0, expect.stringContaining('150 entries are on the way')]);
  const rest = await run('replay', '--all', '--why', 'reactivated', '--by', 'alice');
  expect(rest.words).toContain(`${count - 152} entries are on the way`);
  expect((await run('replay', '--all', '--why', 'again')).words).toContain('0 entries are on the way');
  expect(await journal.renew(1, ttlMs)).toMatchObject({ replays: count - 2 });

  expect((await run('replay', entry(0).identifier, '--why', 'x')).words).toContain('it is in_doubt, not dead.');
  expect((await run('resolve', entry(0).identifier, '--billed', '--why', 'in the summaries')).code).toBe(0);
  expect((await run('resolve', entry(1).identifier, '--not-billed', '--why', 'not there')).code).toBe(0);
  const waiting = `${entry(3).identifier}-r1`;
  expect((await run('discard', waiting, '--why', 'a test customer', '--by', 'bob')).code).toBe(0);
  expect((await run('discard', waiting, '--why', 'again')).code).toBe(1);

  const shown = await run('show', entry(3).identifier);
  expect(shown.words).toMatch(/discarded: it is not to be billed[^]*replayed by alice: reactivated[^]*by bob: a test/);
  const closed = await run('list', '--json', '--state', 'billed,discarded');
  const ends = closed.words
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { state: string });
  expect(ends.map(({ state }) => state).toSorted()).toEqual(['billed', 'discarded']);

  const accepted = await run('list', '--state', 'accepted');
  expect(accepted.words).toContain('0 entries. Of accepted entries only replays are listed');
  const summary = await run('list', '--summary', '--state', 'waiting,billed');
  expect(summary.words).toMatch(/waiting +replay +cus_2 +calls +150 +300 +375 /);
  expect(summary.words).toContain(`${count - 1} entries.`);

  const open: string[] = [];
  const book = new EntryBook(redis, namespace);
  for await (const found of book.list(shard, new Set(openStates))) open.push(found.state);
  expect(open).toEqual(Array.from({ length: count - 2 }, () => 'waiting'));
});

it('changes nothing without a why, without a choice, and on a Redis that is not the cluster’s', async () => {
  expect((await run('replay', '--all')).code).toBe(64);
  expect((await run('replay', '--why', 'x')).code).toBe(64);
  const env = { ...plainEnvironment(), REDIS_URL: redisUrl, TALLYMAN_NAMESPACE: `${namespace}-other` };
  const child = await nursery.spawn('entries-elsewhere', process.execPath, [script, 'entries', 'list'], { env });
  expect((await child.exited).code).toBe(1);
  expect(await child.lastLines(5)).toContain('it is not the Redis of this cluster');
});
