import { Redis } from 'ioredis';
import { afterAll, expect, it } from 'vitest';
import { redisNowMs } from '../../../../shared/redis/clock.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { consumerViewsKey } from '../../../../shared/topology/names.ts';
import { createViewStore, type View } from './stored-view.ts';

const redis = new Redis(sharedServices().redisUrl);
afterAll(() => redis.disconnect());

const view: View = { reasons: [], remarks: ['a'], messagesHeld: 3, eventsOpen: 2, entriesPending: 1 };

it('keeps what each consumer sees until it removes it, or it is old; what killed ones left goes', async () => {
  const { namespace } = sharedServices();
  const key = consumerViewsKey(namespace);
  const store = createViewStore(redis, namespace);
  await store.write('one', { ...view, member: 'm1' });
  await store.write('two', view);
  const nowMs = await redisNowMs(redis);
  expect((await store.read(nowMs)).sort((left, right) => left.consumer.localeCompare(right.consumer))).toMatchObject([
    { consumer: 'one', member: 'm1', ...view },
    { consumer: 'two', ...view },
  ]);
  expect(await store.read(nowMs + 21_000)).toEqual([]);
  expect(await redis.pttl(key)).toBeGreaterThan(0);

  const old = JSON.parse((await redis.hget(key, 'two'))!) as object;
  await redis.hset(key, 'killed', JSON.stringify({ ...old, atMs: nowMs - 61_000 }), 'strange', '{"version":9}');
  await store.removeGone();
  expect((await redis.hkeys(key)).sort()).toEqual(['one', 'two']);
  await store.remove('one');
  expect(await redis.hkeys(key)).toEqual(['two']);
});

it('is bounded, whatever there is to say', async () => {
  const { namespace } = sharedServices();
  const store = createViewStore(redis, namespace);
  await store.write('one', { ...view, remarks: Array.from({ length: 500 }, (_, at) => `${at} ${'x'.repeat(5_000)}`) });
  expect((await redis.hget(consumerViewsKey(namespace), 'one'))!.length).toBeLessThan(10_000);
});
