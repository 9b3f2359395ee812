import { connect, type ChannelModel } from 'amqplib';
import { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { shardKeys } from '../../../../shared/journal/keys.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { until } from '../../../../shared/testing/until.ts';
import { declareTopology } from '../../../../shared/topology/declare.ts';
import { deadExchange, shardQueue, usageExchange } from '../../../../shared/topology/names.ts';
import { refusedParkedMax } from '../counting/refused-entries.ts';
import { registerStockMetrics } from './metrics.ts';
import { Stock } from './stock.ts';

const { namespace, redisUrl, amqpUrl } = sharedServices();
const redis = new Redis(redisUrl);
const shards = 3;
const leaseOf = (shard: number) => shardKeys(namespace, shard).lease;
let connection: ChannelModel;
beforeAll(async () => {
  connection = await connect(amqpUrl);
  await declareTopology({ channels: connection, redis, namespace, shards });
  for (let shard = 0; shard < shards; shard++) await redis.set(leaseOf(shard), '1|me');
});
afterAll(async () => {
  await connection.close();
  redis.disconnect();
});

function take() {
  const lines: string[] = [];
  const log = createLog({ service: 'test', level: 'info' }, { write: (line) => void lines.push(line) });
  const troubles = new Troubles(log);
  const stock = new Stock({ redis, namespace, shards, channels: () => connection, troubles, log });
  const registry = new Registry();
  registerStockMetrics(registry, () => stock);
  return { stock, troubles, lines, metrics: () => registry.metrics() };
}

// Twenty entries were dead, the alert on their number's growth was over after an hour, and nothing said any more that they were there: a new
// owner of their shard counted from 0.
it('tells what is parked now, whoever parked it and whenever', async () => {
  const { parked } = shardKeys(namespace, 1);
  await redis.hset(parked, 'tm1-a', '{"state":"in_doubt"}', 'tm1-b', '{"state":"dead"}');
  const { stock, lines, metrics } = take();
  await stock.look();
  expect(stock.remarks).toEqual([
    expect.stringMatching(/^1 entry is dead .* tallyman entries list --state dead/),
    expect.stringMatching(/^1 entry is in doubt .* tallyman entries list --state in_doubt/),
  ]);
  expect(await metrics()).toContain('tallyman_consumer_entries_parked{shard="001",state="dead"} 1');
  expect(await metrics()).toContain('tallyman_consumer_entries_parked{shard="001",state="in_doubt"} 1');
  await redis.hdel(parked, 'tm1-a');
  await until(async () => {
    await stock.look();
    expect(stock.remarks).toEqual([expect.stringMatching(/^1 entry is dead/)]);
  });
  expect(lines).toEqual([]);
  await redis.del(parked);
  await stock.look();
  expect(stock.remarks).toEqual([]);
  expect(await metrics()).toContain('tallyman_consumer_entries_parked{shard="001",state="dead"} 0');
  expect(await metrics()).toContain('tallyman_consumer_entries_parked{shard="001",state="in_doubt"} 0');
  expect(lines).toEqual([expect.stringMatching(/No entry is dead or in doubt any more/)]);
  await stock.look();
  expect(lines).toHaveLength(1);
});

// One misspelt meter left an entry per customer and window with every set; the 20,000th of a shard was no news to anybody.
it('tells of shards with so many parked entries that refused ones are added up by the day', async () => {
  const { parked } = shardKeys(namespace, 2);
  const many = Array.from({ length: refusedParkedMax }, (_, index) => [`tm1-${index}`, '{"state":"dead"}']);
  await redis.hset(parked, ...many.slice(1).flat());
  const { stock, troubles, lines } = take();
  await stock.look();
  expect(troubles.remarks).toEqual([]);
  await redis.hset(parked, ...(many[0] ?? []));
  await stock.look();
  await stock.look();
  expect(troubles.remarks).toEqual([expect.stringMatching(/^1 shard has 20000 parked .* list --summary/)]);
  expect(lines).toEqual([expect.stringMatching(/"reason":"parked_entries_crowded","shards":\[2\]/)]);
  await redis.del(parked);
  await stock.look();
  expect(troubles.remarks).toEqual([]);
  expect(lines.join('')).toContain('No shard has so many parked entries any more');
});

it('tells how many messages nobody has taken, and how many could not be read', async () => {
  const channel = await connection.createConfirmChannel();
  channel.sendToQueue(shardQueue(namespace, 2), Buffer.from('usage'));
  channel.publish(deadExchange(namespace), '', Buffer.from('{'));
  await channel.waitForConfirms();
  const { stock, metrics } = take();
  await until(async () => {
    await stock.look();
    expect(stock.messagesWaiting).toBe(1);
    expect(stock.deadLetters).toBe(1);
  });
  expect(stock.remarks).toEqual([expect.stringMatching(/^1 message that cannot be read is in the queue/)]);
  const text = await metrics();
  expect(text).toContain(`tallyman_consumer_queue_messages{queue="${shardQueue(namespace, 2)}"} 1`);
  expect(text).toContain('tallyman_consumer_dead_letters 1');
  await channel.purgeQueue(deadExchange(namespace));
  await channel.close();
});

// Queues and an exchange were deleted while consumers ran: publishers had their messages returned, and no consumer said a word.
it('tells that the broker has lost queues or an exchange, and when they are there again', async () => {
  const channel = await connection.createChannel();
  await channel.deleteQueue(shardQueue(namespace, 0));
  await channel.deleteQueue(shardQueue(namespace, 2));
  await channel.deleteExchange(usageExchange(namespace));
  const { stock, troubles, metrics } = take();
  await stock.look();
  expect(stock.missing).toEqual([
    `exchange ${usageExchange(namespace)}`,
    `queue ${shardQueue(namespace, 0)}`,
    `queue ${shardQueue(namespace, 2)}`,
  ]);
  expect(troubles.remarks).toEqual([expect.stringMatching(/shard\.000.*tallyman topology/)]);
  expect(await metrics()).toContain('tallyman_consumer_topology_missing 3');
  await channel.close();
  await declareTopology({ channels: connection, redis, namespace, shards });
  await stock.look();
  expect([stock.missing, troubles.remarks]).toEqual([[], []]);
});

it('tells of shards that have had no owner for two looks', async () => {
  await redis.del(leaseOf(1));
  const { stock, troubles } = take();
  await stock.look();
  expect(troubles.remarks).toEqual([]);
  await stock.look();
  expect(troubles.remarks).toEqual([expect.stringMatching(/^1 shard has no owner/)]);
  await redis.set(leaseOf(1), '1|me');
  await stock.look();
  expect(troubles.remarks).toEqual([]);
});

it('keeps what it knew while broker and Redis are away, and does not fail', async () => {
  const { stock } = take();
  await stock.look();
  const away = new Redis({ lazyConnect: true, enableOfflineQueue: false });
  const log = createLog({ service: 'test', level: 'silent' });
  const blind = new Stock({
    redis: away,
    namespace,
    shards,
    channels: () => undefined,
    troubles: new Troubles(log),
    log,
  });
  await blind.look();
  expect([blind.parked.size, blind.queues.size, blind.deadLetters, blind.remarks]).toEqual([0, 0, undefined, []]);
  away.disconnect();
});
