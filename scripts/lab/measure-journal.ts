import { randomBytes, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { main, Program } from '../commands/program.ts';
import { startRedis } from '../../shared/testing/redis.ts';
import type { Entry, SetCommit, ShardJournal } from '../../shared/journal/journal.ts';
import { shardKeys } from '../../shared/journal/keys.ts';
import { newestFormat } from '../../shared/journal/format.ts';
import { createRedisJournal } from '../../shared/journal/redis-journal.ts';

const rounds = 11;
const namespace = 'measure';
const slots = [0, 1, 2, 3];

function commitOf(set: number, entries: number, ids: number): SetCommit {
  const incarnation = '0123456789abcdef0123456789abcdef';
  return {
    set,
    token: randomBytes(16).toString('hex'),
    entries: Array.from({ length: entries }, (_, index) =>
      entryOf(`tm1-${incarnation}-000-${set}-${randomBytes(4).toString('hex')}`, index),
    ),
    cursors: new Map(
      slots.flatMap((slot) => [1, 2].map((producer) => [`${slot}/${producer}-${randomUUID()}`, '1-812'] as const)),
    ),
    forgottenCursors: [],
    ids: slots.map((slot) => ({ slot, bytes: randomBytes((16 * ids) / slots.length) })),
    forgottenIdSets: [],
    totals: new Map(
      Array.from({ length: 24 }, (_, hour) => [`2026-11-22T${hour}|api_calls`, `${randomBytes(4).readUInt32BE()}.5`]),
    ),
  };
}

function entryOf(prefix: string, index: number): Entry {
  return {
    identifier: `${prefix}-${index}`,
    customer: `cus_${randomBytes(7).toString('hex')}`,
    meter: 'api_calls',
    value: `${1 + (randomBytes(2).readUInt16BE() % 1_000)}.25`,
    timestamp: 1_795_316_400 + (index % 300),
    windowStartMs: 1_795_316_400_000,
    events: 10,
  };
}

function median(values: number[]): string {
  values.sort((left, right) => left - right);
  return (values[Math.floor(values.length / 2)] ?? 0).toFixed(1);
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

async function aofBytes(redis: Redis): Promise<number> {
  return Number(/aof_current_size:(\d+)/.exec(await redis.info('persistence'))?.[1] ?? 0);
}

async function measureCommits(redis: Redis, shard: number, entries: number, ids: number): Promise<ShardJournal> {
  const journal = createRedisJournal({ redis, namespace, shard, format: () => newestFormat });
  await journal.claim('owner', 600_000);
  const firsts: number[] = [];
  const repeats: number[] = [];
  const completions: number[] = [];
  let written = 0;
  for (let set = 1; set <= rounds; set++) {
    const commit = commitOf(set, entries, ids);
    const before = await aofBytes(redis);
    firsts.push(await timed(() => journal.commit(1, commit)));
    repeats.push(await timed(() => journal.commit(1, commit)));
    written = (await aofBytes(redis)) - before;
    if (set < rounds) completions.push(await timed(() => journal.complete(1, set, commit.token, 0)));
  }
  const keys = shardKeys(namespace, shard);
  const bytesOf = async (key: string) => Number(await redis.memory('USAGE', key, 'SAMPLES', 0));
  console.log(`${entries} entries, ${ids} ids, ${rounds} sets, medians:`);
  console.log(`  commit ${median(firsts)} ms, repeated ${median(repeats)} ms, complete ${median(completions)} ms`);
  console.log(
    `  blob ${await bytesOf(keys.set)} B, ids of all sets ${await bytesOf(keys.ids)} B, written to the file per commit ${written} B`,
  );
  return journal;
}

async function measureLoad(redis: Redis, shard: number): Promise<void> {
  const journal = createRedisJournal({ redis, namespace, shard, format: () => newestFormat });
  await journal.claim('owner', 600_000);
  for (let set = 1; set <= 80; set++) {
    const commit = commitOf(set, 5_000, 50_000);
    await journal.commit(1, commit);
    if (set < 80) await journal.complete(1, set, commit.token, 0);
  }
  await redis.config('SET', 'slowlog-log-slower-than', 0);
  await redis.config('SET', 'slowlog-max-len', 1_000);
  await redis.slowlog('RESET');
  const tookMs = await timed(() => journal.load(1));
  const log = (await redis.slowlog('GET', 1_000)) as [number, number, number, string[]][];
  const longestUs = Math.max(...log.filter(([, , , command]) => command[0] === 'EVALSHA').map(([, , us]) => us));
  console.log(`load of 4,000,000 ids: ${tookMs.toFixed(0)} ms, longest script ${(longestUs / 1_000).toFixed(1)} ms`);
}

export function program(): Program {
  return new Program('node scripts/lab/measure-journal.ts')
    .description(
      'Measures bytes in Redis and milliseconds per commit and load, on a private Redis that syncs every write. The figures of ' +
        'shared/journal/README.md come from here.',
    )
    .examples('node scripts/lab/measure-journal.ts')
    .runs(measure);
}

async function measure(): Promise<number> {
  const service = await startRedis();
  const redis = new Redis(service.url);
  try {
    await measureCommits(redis, 0, 5_000, 50_000);
    await measureCommits(redis, 1, 50_000, 50_000);
    await measureCommits(redis, 2, 0, 0);
    await measureLoad(redis, 3);
  } finally {
    redis.disconnect();
    await service.stop();
  }
  return 0;
}

if (import.meta.main) await main(program());
