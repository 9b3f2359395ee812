import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import type { Redis } from '../../../../shared/redis/client.ts';
import { RedisRefusals } from '../../../../shared/redis/refusals.ts';
import { FakeBroker, turns } from '../../../../shared/testing/fake-broker.ts';
import type { AccountChange, Breakers } from '../provider/breakers.ts';
import { type Late, Outages, watchOutages } from './outages.ts';

function setUp(late: Late = { messagesWaiting: 1, messagesHeld: 12, eventsOpen: 340, entriesPending: 1 }) {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  let nowMs = 0;
  const log = createLog({ service: 'test', level: 'info' }, { write });
  const outages = new Outages(
    log,
    () => Promise.resolve(late),
    () => nowMs,
  );
  return { outages, lines, wait: (ms: number) => (nowMs += ms) };
}

// After an hour without Redis the log said "Redis is back.", and whoever had been woken did not know what that hour had cost.
it('says in one line from when to when something was away, and how much usage is late', async () => {
  const { outages, lines, wait } = setUp();
  outages.began('Redis');
  wait(2_000);
  outages.began('Redis');
  wait(3_598_000);
  await outages.ended('Redis');
  await outages.ended('Redis');
  expect(lines).toEqual([
    expect.objectContaining({
      level: 'info',
      pillar: 'Redis',
      from: expect.stringMatching(/^\d{4}-/),
      to: expect.stringMatching(/^\d{4}-/),
      lastedS: 3_600,
      late: '1 message in the queues, 12 messages with this consumer, 340 events to be sealed, 1 entry to be sent',
      lost: 0,
      msg: expect.stringMatching(/none of it is lost/),
    }),
  ]);
});

it('leaves out what it does not know, and counts one event and one message as one', async () => {
  const { outages, lines, wait } = setUp({
    messagesWaiting: undefined,
    messagesHeld: 1,
    eventsOpen: 1,
    entriesPending: 0,
  });
  outages.began('the broker');
  wait(60_000);
  await outages.ended('the broker');
  expect(lines).toMatchObject([{ late: '1 message with this consumer, 1 event to be sealed, 0 entries to be sent' }]);
});

it('says nothing of what was away for a moment, and of the end of what never began', async () => {
  const { outages, lines, wait } = setUp();
  outages.began('the broker');
  wait(999);
  await outages.ended('the broker');
  await outages.ended('the billing provider');
  expect(lines).toEqual([]);
});

it('watches broker, Redis and the platform account of the provider, from when they were there first', async () => {
  const { outages, lines, wait } = setUp();
  const [broker, redis] = [new FakeBroker(), new EventEmitter()];
  const refusals = { isOn: false, onChange: () => undefined } as unknown as RedisRefusals;
  let change: (change: AccountChange) => void = () => undefined;
  const breakers = { onChange: (listener: typeof change) => (change = listener) } as unknown as Breakers;
  watchOutages(outages, broker.connection, redis as unknown as Redis, refusals, breakers);
  redis.emit('close');
  wait(5_000);
  redis.emit('ready');
  const session = broker.connect();
  expect(lines).toEqual([]);

  broker.lose(session);
  redis.emit('close');
  change({ account: '', state: 'open', reason: '500' });
  change({ account: 'acct_1', state: 'open', reason: '403' });
  wait(5_000);
  change({ account: 'acct_1', state: 'closed', reason: '' });
  broker.connect();
  redis.emit('ready');
  change({ account: '', state: 'half_open', reason: '' });
  change({ account: '', state: 'closed', reason: '' });
  await turns();
  expect(lines.map(({ pillar }) => pillar)).toEqual(['the broker', 'Redis', 'the billing provider']);
});

// Hours of a Redis that was full, read-only or without a right ended without a line of what they had cost.
it('takes writes that Redis refuses for an outage, through every reconnect, until they are all taken again', async () => {
  const { outages, lines, wait } = setUp();
  const redis = Object.assign(new EventEmitter(), { status: 'ready' });
  const refusals = new RedisRefusals(new Troubles(createLog({ service: 'test', level: 'silent' })));
  const breakers = { onChange: () => undefined } as unknown as Breakers;
  watchOutages(outages, new FakeBroker().connection, redis as unknown as Redis, refusals, breakers);
  redis.emit('ready');
  refusals.refused('commit', new Error("READONLY You can't write against a read only replica."));
  for (let second = 0; second < 600; second++) {
    redis.emit('close');
    redis.emit('ready');
    wait(1_000);
    refusals.refused('commit', new Error("READONLY You can't write against a read only replica."));
  }
  await turns();
  expect(lines).toEqual([]);
  refusals.carriedOut('commit');
  await turns();
  expect(lines).toMatchObject([{ pillar: 'Redis', lastedS: 600 }]);
});
