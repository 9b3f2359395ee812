import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, expect, it } from 'vitest';
import { EntryBook, type FoundEntry } from '../../../../shared/journal/entry-book.ts';
import type { ParkedEntry, SettledAs } from '../../../../shared/journal/journal.ts';
import { createRedisJournal } from '../../../../shared/journal/redis-journal.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { commitOf, token } from '../../../../shared/testing/journal-samples.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { entry, meter, metersOf } from '../shard/testing.ts';
import { ReturnedMeters } from './returned-meters.ts';

const redis = new Redis(sharedServices().redisUrl);
afterAll(() => redis.disconnect());
const log = createLog({ service: 'test', level: 'silent' });

it('puts down as replays what its meter was missing for, in the shards that are owned, once', async () => {
  const namespace = `test-${randomUUID()}`;
  const book = new EntryBook(redis, namespace);
  for (const shard of [0, 1]) {
    const journal = createRedisJournal({ redis, namespace, shard });
    await journal.claim('owner', 600_000);
    const entries = Array.from({ length: 450 }, (_, index) =>
      entry({ identifier: `tm1-ab-00${shard}-1-cd-${index}`, meter: index % 3 === 0 ? 'seats' : 'requests' }),
    );
    const parkedAtMs = (await book.now()) - 1_000;
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
    const settled = new Map<number, SettledAs>(entries.map((_, index) => [index, 'dead']));
    await journal.progress(1, 1, token, settled, parked);
  }
  const returned = new ReturnedMeters({ book, ownedShards: () => [1], log });
  await returned.look({ meters: metersOf(meter('requests')), askedAtMs: performance.now() });

  const waiting: FoundEntry[] = [];
  for (const shard of [0, 1]) {
    for await (const found of book.list(shard, new Set(['waiting' as const]))) waiting.push(found);
  }
  expect(waiting).toHaveLength(300);
  expect(new Set(waiting.map(({ shard, record }) => `${shard} ${record.entry.meter}`))).toEqual(
    new Set(['1 requests']),
  );
  expect(waiting[0]?.record.history).toMatchObject([{ decision: { by: 'tallyman', why: 'the meter is back' } }]);
});

it('goes on with the next list of meters when Redis is away', async () => {
  const away = new Redis({ port: 1, lazyConnect: true, retryStrategy: () => null });
  const returned = new ReturnedMeters({ book: new EntryBook(away, 'n'), ownedShards: () => [0], log });
  away.on('error', () => undefined);
  await expect(returned.look({ meters: new Map(), askedAtMs: 0 })).resolves.toBeUndefined();
  away.disconnect();
});
