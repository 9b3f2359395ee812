import { connect, type ConfirmChannel } from 'amqplib';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { consumerViewsKey, deadExchange, shardQueue, usageExchange } from '../../../../shared/topology/names.ts';
import { brokerCode, queueState } from '../../../../shared/topology/broker-view.ts';
import { until } from '../../../../shared/testing/until.ts';
import { closeBooks, exact, owes, untilBilled } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';

type Attempt = (channel: ConfirmChannel) => unknown;

/** What the broker says to it: its reply code, or `allowed`. */
async function answerTo(url: string, attempt: Attempt): Promise<number | 'allowed' | undefined> {
  const connection = await connect(url);
  connection.on('error', () => {
    // Told by whichever channel was closed for it.
  });
  try {
    const channel = await connection.createConfirmChannel();
    const refused = new Promise<number | undefined>((resolve) => {
      channel.on('error', (error: unknown) => resolve(brokerCode(error)));
    });
    const tried = (async () => {
      await attempt(channel);
      await channel.waitForConfirms();
      // A question of its own: whatever the broker holds against what came before, it has said by then.
      await channel.prefetch(1);
      return 'allowed' as const;
    })();
    // A refusal closes the channel: what was tried fails with it, and the channel says why.
    return await Promise.race([refused, tried.catch(() => refused)]);
  } finally {
    await connection.close().catch(() => undefined);
  }
}

const accessRefused = 403;

describe('least rights', { timeout: testTimeoutMs }, () => {
  it('services work with the rights of their role, and with those alone nobody can do what is another role’s', async () => {
    const stage = await openStage({ own: ['broker', 'redis'], leastRights: true, shards: 4 });
    const { namespace } = stage.cluster;
    const [usage, dead] = [usageExchange(namespace), deadExchange(namespace)];
    const [queue, body] = [shardQueue(namespace, 0), Buffer.from('?')];
    const { publisher, consumer, topology, redis } = stage.urls;

    const declare: readonly Attempt[] = [
      (channel) => channel.assertQueue(`${namespace}.mine`, { durable: true }),
      (channel) => channel.assertQueue(shardQueue(namespace, 63), { durable: true }),
      (channel) => channel.assertQueue('', { exclusive: true }),
      (channel) => channel.assertExchange(`${namespace}.mine`, 'direct'),
      (channel) => channel.bindQueue(queue, usage, '1000'),
      (channel) => channel.unbindQueue(queue, usage, '0'),
      (channel) => channel.deleteQueue(queue),
      (channel) => channel.deleteExchange(usage),
    ];
    const publish: readonly Attempt[] = [usage, dead, ''].map(
      (exchange) => (channel: ConfirmChannel) => channel.publish(exchange, queue, body),
    );
    const read: readonly Attempt[] = [queue, dead].map((name) => (channel: ConfirmChannel) => channel.get(name));
    const answers = async (url: string, attempts: readonly Attempt[]) => {
      const all: unknown[] = [];
      for (const attempt of attempts) all.push(await answerTo(url, attempt));
      return all;
    };
    const refused = (attempts: readonly Attempt[]) => attempts.map(() => accessRefused);

    expect(await answers(publisher, declare)).toEqual(refused(declare));
    expect(await answers(consumer, declare)).toEqual(refused(declare));
    expect(await answers(publisher, read)).toEqual([accessRefused, accessRefused]);
    expect(await answers(consumer, publish)).toEqual([accessRefused, 'allowed', accessRefused]);
    expect(await answers(publisher, publish.slice(1))).toEqual([accessRefused, accessRefused]);
    expect(
      await answers(
        topology,
        publish.filter((_, place) => place !== 1),
      ),
    ).toEqual([accessRefused, accessRefused]);
    expect(await answers(topology, read.slice(0, 1))).toEqual([accessRefused]);

    const restricted = new Redis(redis, { protocol: 2 });
    await expect(restricted.get('other:key')).rejects.toThrow(/NOPERM/);
    await expect(restricted.flushall()).rejects.toThrow(/NOPERM/);
    await expect(restricted.keys('*')).rejects.toThrow(/NOPERM/);
    restricted.disconnect();

    // A message that cannot be read becomes a dead letter, beside the one that was tried above; the rest is billed.
    expect(await answerTo(publisher, (channel) => channel.publish(usage, '0', body))).toBe('allowed');
    const events = Array.from({ length: 20 }, (_, id) => ({ id: `${id}`, customer: `cus_${id}`, meter: 'tokens' }));
    await postEvents(pick(stage.cluster.publishers), ...events);
    const owed = () => events.map(({ customer }) => owes(customer, 'tokens', 1));
    await untilBilled(stage, owed);
    const administrator = await stage.connectToBroker();
    await until(async () => expect((await queueState(administrator, dead))?.ready).toBe(2), patient);

    // The topology's user may repair what is missing, and look at everything for a recovery.
    await stage.run('topology');
    await stage.run('recover');
    expect(await stage.journal.hlen(consumerViewsKey(namespace)), 'what the consumer sees').toBe(1);
    await expect(stage.run('status')).rejects.toThrow(/2 messages that could not be read/);
    expect(await closeBooks(stage, owed)).toMatchObject(exact);
    // … and change the number of shards, once nobody is left who counts: queues go, their journals are carried along.
    await stage.run('topology', '--reshard', '2');
  });
});
