/**
 * What a person hears of a sidecar that cannot publish. It heard nothing: with a wrong password, namespace or host it answered 202
 * from the spool, was ready, and its log had no line with "spool" and one with "503"; 35 returned messages left no line at all.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { slotOf } from '../../../../shared/event/lane.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { type FakeChannel, FakeBroker, turns } from '../../../../shared/testing/fake-broker.ts';
import { until } from '../../../../shared/testing/until.ts';
import { createMetrics } from '../metrics.ts';
import { spoolLimits } from '../spool/limits.ts';
import { createSpoolMetrics } from '../spool/metrics.ts';
import { Spool } from '../spool/spool.ts';
import { OutboxCore } from './core.ts';
import { defaultLimits } from './limits.ts';
import { type Outcome, Outbox } from './outbox.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open({
  folder = join(tmpdir(), `tallyman-outage-${randomUUID()}`),
  hasSpool = true,
  hasIntake = true,
  spoolBytes = 1024 ** 2,
} = {}) {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const log = createLog({ service: 'test', level: 'info' }, { write });
  const registry = new Registry();
  const spool = new Spool({
    folder,
    limits: spoolLimits(spoolBytes),
    log,
    metrics: createSpoolMetrics(registry, () => spool),
  });
  const broker = new FakeBroker();
  const core = new OutboxCore({ producer: 'p', source: 'test', region: '' }, { ...defaultLimits, messageEventsMax: 1 });
  const metrics = createMetrics(registry, () => ({ unconfirmedMessages: 0, heldBytes: 0, connected: true }));
  const withSpool = { hasIntake, ...(hasSpool ? { spool } : {}) };
  const outbox = new Outbox({ core, connection: broker.connection, exchange: 'x.usage', log, metrics, ...withSpool });
  if (hasSpool) await spool.start();
  const stop = async (): Promise<void> => {
    outbox.stop();
    await spool.stop();
  };
  cleanups.push(() => rm(folder, { recursive: true, force: true }), stop);
  const submit = (customer: string) => {
    const text = encodeEvent({ id: randomUUID(), customer, meter: 'm', value: '1', timestamp: 1_795_426_200 });
    const event = { slot: slotOf({ customer, meter: 'm' }), text, bytes: Buffer.byteLength(text) };
    return new Promise<Outcome>((resolve) => outbox.submit([event], Date.now(), resolve));
  };
  const told = () => lines.splice(0).map(({ level, msg }) => `${String(level)}: ${String(msg)}`);
  return { outbox, broker, spool, submit, told, lines, folder, stop };
}

/** Confirms all that is published, until the spool is empty. */
async function confirmAll(channel: FakeChannel, isDone: () => boolean): Promise<void> {
  let confirmed = 0;
  await until(() => {
    for (; confirmed < channel.published.length; confirmed++) channel.published[confirmed]?.told(null);
    return isDone();
  });
}

it('says once that it keeps usage on disk and why, and once that the spool is empty, with how many events were late', async () => {
  const { outbox, broker, spool, submit, told, lines } = await open();
  broker.fail();
  for (let index = 0; index < 5; index++) expect(await submit('a')).toBe('durable');
  expect(lines).toMatchObject([{ level: 'warn', reason: 'away', messages: 1, events: 1 }]);
  expect(told()).toEqual([
    expect.stringMatching(/^warn: The broker takes no usage: keeping usage on disk, in the spool/),
  ]);
  expect(outbox.remarks).toEqual(['The broker takes no usage: usage is kept on disk, 5 messages so far.']);

  const { channel } = await connected(broker);
  await confirmAll(channel, () => spool.isEmpty && outbox.remarks.length === 0);
  expect(lines).toMatchObject([{ level: 'info', events: 5, messages: 5, parked: 0 }]);
  expect(lines[0]).toHaveProperty('since');
  expect(lines[0]).toHaveProperty('until');
  expect(told()).toEqual(['info: Spool emptied: 5 events in 5 messages reached the broker late. None was lost.']);
});

it('says what a former life has left, and when it is with the broker', async () => {
  const first = await open();
  await first.submit('a');
  await first.stop();
  const { broker, spool, outbox, told } = await open({ folder: first.folder });
  expect(told()).toEqual(['warn: The spool holds messages of a former life; they are published again.']);
  const { channel } = await connected(broker);
  await confirmAll(channel, () => spool.isEmpty && outbox.remarks.length === 0);
  expect(told()).toEqual(['info: Spool emptied: 1 message reached the broker late. None was lost.']);
});

// `tallyman spool drain` has no intake and a spool without room, and printed at each success that usage is answered with 503.
it('says nothing of 503 when a spool is drained, which nobody submits anything to', async () => {
  const first = await open();
  await first.submit('a');
  await first.stop();
  const { broker, spool, outbox, told } = await open({ folder: first.folder, hasIntake: false, spoolBytes: 0 });
  broker.fail();
  const session = await connected(broker);
  await confirmAll(session.channel, () => spool.isEmpty && outbox.remarks.length === 0);
  broker.lose(session);
  expect(told()).toEqual([
    'warn: The spool holds messages of a former life; they are published again.',
    'info: Spool emptied: 1 message reached the broker late. None was lost.',
  ]);
});

// Two sidecars with one folder: a stack, no word of the other one, and nothing on `/readyz` of what it means.
it('says that another process has its spool and what that means, for as long as it has it', async () => {
  const first = await open();
  const { broker, spool, told, lines } = await open({ folder: first.folder });
  expect(lines).toMatchObject([{ level: 'error', reason: 'locked', folder: first.folder }]);
  expect(lines[0]).not.toHaveProperty('error');
  expect(told()).toEqual([expect.stringMatching(/Another process has the spool folder.*503.*TALLYMAN_SPOOL_DIR/)]);
  expect(spool.remarks).toEqual([
    expect.stringMatching(/this sidecar has no spool: while the broker is away, it answers 503/),
  ]);
  broker.fail();
  expect(told()).toEqual([
    expect.stringMatching(/^error: .*the spool cannot be used, so new usage is answered with 503/),
  ]);
  await first.stop();
  await until(() => spool.isOpen);
  expect(spool.remarks).toEqual([]);
  expect(told()).toContain('info: The folder of the spool can be used again.');
});

it.each([
  [true, 'It is kept on disk.'],
  [false, 'answered with 503'],
])(
  'says that messages come back for want of a queue, with a spool: %s, and when that is over',
  async (hasSpool, custody) => {
    const { outbox, broker, submit, told } = await open({ hasSpool });
    const { channel } = await connected(broker);
    for (let index = 0; index < 35; index++) void submit('a');
    await until(() => channel.published.length === 35);
    for (let index = 0; index < 35; index++) {
      channel.return(index);
      channel.confirm(index);
    }
    const lines = told();
    expect(lines.filter((line) => line.includes('No queue is bound'))).toEqual([
      expect.stringMatching(/^error: No queue is bound for some usage.*tallyman topology/),
    ]);
    expect(lines[0]).toContain(custody);
    expect(outbox.remarks[0]).toContain('No queue is bound');
    await confirmAll(channel, () => !outbox.remarks.some((remark) => remark.includes('No queue')));
    expect(told()).toContain('info: Every slot has a queue again: no message comes back any more.');
  },
);

it('says once that the exchange is missing, and what happens to usage', async () => {
  const { outbox, broker, told } = await open();
  for (let attempt = 0; attempt < 3; attempt++) {
    broker.connect((channel) => {
      channel.exchangeFault = Object.assign(new Error('NOT_FOUND'), { code: 404 });
    });
    await turns();
  }
  expect(told()).toEqual([
    expect.stringMatching(/^error: The broker has no exchange for usage.*It is kept on disk\. Run `tallyman topology`/),
  ]);
  await connected(broker);
  expect(told()).toEqual(['info: The exchange for usage is there again.']);
  expect(outbox.remarks).toEqual([]);
});

it('says that usage is answered with 503 once a connection has failed, and when it is answered with 202 again', async () => {
  const { broker, outbox, told } = await open({ hasSpool: false });
  expect(told()).toEqual([]);
  broker.fail();
  broker.fail();
  expect(told()).toEqual([expect.stringMatching(/^error: .*no spool, so new usage is answered with 503/)]);
  expect(outbox.remarks).toHaveLength(1);
  await connected(broker);
  expect(told()).toEqual(['info: New usage is answered with 202 again.']);
});

/**
 * A broker that was stopped while messages were unconfirmed: the sidecar said "The broker refuses messages (nack)", which it had not
 * done, and nothing of the connection, because it gave the session up before the connection could say why it had broken.
 */
it('takes what is unconfirmed when its connection breaks for unknown, and leaves the reason to the connection', async () => {
  const { outbox, broker, submit, told } = await open({ hasSpool: false });
  const session = await connected(broker);
  void submit('a');
  await until(() => session.channel.published.length === 1);
  broker.lose(session);
  expect(session.abandoned).toEqual([]);
  await turns();
  expect([told(), outbox.remarks]).toEqual([[], []]);
  const next = await connected(broker);
  await until(() => next.channel.published.length === 1);
  next.channel.nack();
  expect(told()).toEqual([expect.stringMatching(/^error: The broker refuses messages/)]);
});

it('says nothing of an ordinary life', async () => {
  const { outbox, broker, submit, told } = await open();
  const { channel } = await connected(broker);
  const outcome = submit('a');
  await until(() => channel.published.length === 1);
  channel.confirm();
  expect([await outcome, told(), outbox.remarks]).toEqual(['durable', [], []]);
});

it('says nothing of what it keeps while its first connection is being made, and counts it if that fails', async () => {
  const quiet = await open();
  await quiet.submit('a');
  const { channel } = await connected(quiet.broker);
  await confirmAll(channel, () => quiet.spool.isEmpty);
  expect([quiet.told(), quiet.outbox.remarks]).toEqual([[], []]);
  const failing = await open();
  await failing.submit('a');
  failing.broker.fail();
  await failing.submit('a');
  expect(failing.lines).toMatchObject([{ reason: 'away', messages: 2, events: 2 }]);
});

async function connected(broker: FakeBroker) {
  const session = broker.connect();
  await turns();
  return session;
}
