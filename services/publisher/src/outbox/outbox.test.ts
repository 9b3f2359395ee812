/**
 * The shell of the outbox on a broker whose every answer is the test's. A bug in it passed every test: a nack taken for a
 * confirm, which answers 202 to usage that nobody has.
 */
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { slotOf } from '../../../../shared/event/lane.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { FakeBroker, turns } from '../../../../shared/testing/fake-broker.ts';
import { createMetrics } from '../metrics.ts';
import type { Replayed, Spool } from '../spool/spool.ts';
import { OutboxCore } from './core.ts';
import { defaultLimits, type OutboxLimits } from './limits.ts';
import { type Outcome, Outbox } from './outbox.ts';
import type { PackedEvent } from './packing.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
});
afterEach(() => void vi.useRealTimers());

function event(id: string): PackedEvent {
  const text = encodeEvent({ id, customer: 'a', meter: 'm', value: '1', timestamp: 1_795_426_200 });
  return { slot: slotOf({ customer: 'a', meter: 'm' }), text, bytes: Buffer.byteLength(text) };
}

/** A spool with these messages in it, which notes what it is told of them. */
class FakeSpool {
  readonly waiting: Replayed[];
  readonly told: { readonly verdict: string; readonly ticket: number }[] = [];
  readonly returns: unknown[] = [];
  lostTimes = 0;
  roomBytes: number | undefined = 1_000_000;
  readonly takesMore = false;
  readonly isOpen = true;

  constructor(messages: number) {
    this.waiting = Array.from({ length: messages }, (_, index) => ({
      ticket: index + 1,
      origin: { producer: 'former', slot: 3, sequence: index + 1 },
      body: Buffer.from(`message ${index + 1}`),
      generation: 1,
      of: undefined as never,
    }));
  }

  onChange(): void {
    // It does not change.
  }

  next(): Replayed | undefined {
    return this.waiting.shift();
  }

  tell(verdict: string, { ticket }: Replayed): void {
    this.told.push({ verdict, ticket });
  }

  returned(_generation: number, origin: unknown): void {
    this.returns.push(origin);
  }

  lost(): void {
    this.lostTimes++;
  }
}

function open({ spool, limits = {} }: { spool?: FakeSpool; limits?: Partial<OutboxLimits> } = {}) {
  const broker = new FakeBroker();
  const core = new OutboxCore(
    { producer: 'p', source: 'test', region: '' },
    { ...defaultLimits, messageEventsMax: 1, ...limits },
  );
  const outbox = new Outbox({
    core,
    connection: broker.connection,
    exchange: 'tallyman.usage',
    log: createLog({ service: 'test', level: 'silent' }),
    metrics: createMetrics(new Registry(), () => ({ unconfirmedMessages: 0, heldBytes: 0, connected: true })),
    ...(spool === undefined ? {} : { spool: spool as unknown as Spool }),
  });
  const outcomes: Outcome[] = [];
  const submit = (...ids: string[]): void =>
    outbox.submit(ids.map(event), Date.now(), (outcome) => outcomes.push(outcome));
  return { broker, outbox, core, submit, outcomes };
}

async function connected(said: Parameters<typeof open>[0] = {}) {
  const opened = open(said);
  const session = opened.broker.connect();
  await turns();
  return { ...opened, session, channel: session.channel };
}

describe('an event', () => {
  it('is durable once the broker has confirmed its message, and not before', async () => {
    const { submit, outcomes, channel } = await connected();
    submit('1');
    expect(channel.published).toHaveLength(1);
    expect(channel.published[0]?.options).toMatchObject({ persistent: true, mandatory: true });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(outcomes).toEqual([]);
    channel.confirm();
    expect(outcomes).toEqual(['durable']);
  });

  it('is not durable when the broker refuses its message, which is published again as it was', async () => {
    const { submit, outcomes, channel } = await connected();
    submit('1');
    channel.nack();
    expect(outcomes).toEqual([]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(outcomes).toEqual([]);
    const [first, second] = channel.published;
    expect(second).toMatchObject({ routingKey: first?.routingKey, body: first?.body });
    expect(second?.options.headers).toEqual(first?.options.headers);
    channel.confirm();
    expect(outcomes).toEqual(['durable']);
  });

  it('is not durable when no queue is bound for it, although the broker confirms it', async () => {
    const { submit, outcomes, channel } = await connected();
    submit('1');
    channel.return();
    channel.confirm();
    expect(outcomes).toEqual([]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(channel.published).toHaveLength(2);
    channel.confirm();
    expect(outcomes).toEqual(['durable']);
  });

  it('goes to the next connection, as it was, when its own ends before the confirm', async () => {
    const { submit, outcomes, broker, session, channel } = await connected();
    submit('1');
    broker.lose(session);
    // amqplib fails what is unconfirmed when a channel closes: that is no answer of the broker.
    channel.nack();
    expect(outcomes).toEqual([]);
    const next = broker.connect();
    await turns();
    expect(next.channel.published).toHaveLength(1);
    expect(next.channel.published[0]?.body).toEqual(channel.published[0]?.body);
    expect(next.channel.published[0]?.options.headers).toEqual(channel.published[0]?.options.headers);
    // A confirm of the old connection is not one of the new.
    channel.confirm();
    expect(outcomes).toEqual([]);
    next.channel.confirm();
    expect(outcomes).toEqual(['durable']);
  });

  it('is not published on a connection without the exchange, which is given up', async () => {
    const { broker, submit, outcomes } = open();
    const session = broker.connect((channel) => {
      channel.exchangeFault = Object.assign(new Error('NOT_FOUND'), { code: 404 });
    });
    await turns();
    expect(session.abandoned).toHaveLength(1);
    submit('1');
    expect(outcomes).toEqual(['broker_unavailable']);
  });
});

describe('a channel', () => {
  it('gets nothing while it asks for a pause, and all of it after', async () => {
    const { submit, channel } = await connected();
    channel.isWritable = false;
    submit('1', '2', '3');
    expect(channel.published).toHaveLength(1);
    channel.isWritable = true;
    channel.emit('drain');
    expect(channel.published).toHaveLength(3);
  });

  it('takes its connection with it when the broker closes it', async () => {
    const { channel, session, outbox } = await connected();
    channel.closed();
    await turns();
    expect(session.abandoned).toEqual(['the channel for publishing was closed']);
    expect(outbox.turnsAway).toBe('broker_unavailable');
  });
});

describe('a message of the spool', () => {
  it('is published as it was, and told what the broker says of it', async () => {
    const spool = new FakeSpool(2);
    const { channel } = await connected({ spool });
    expect(channel.published.map(({ body }) => body.toString())).toEqual(['message 1', 'message 2']);
    expect(channel.published[0]?.options.headers).toEqual({ 'x-producer': 'former', 'x-slot': 3, 'x-sequence': 1 });
    expect(spool.told).toEqual([]);
    channel.confirm(1);
    channel.nack();
    expect(spool.told).toEqual([
      { verdict: 'confirmed', ticket: 1 },
      { verdict: 'refused', ticket: 2 },
    ]);
  });

  it('that is returned is told so before its confirm', async () => {
    const spool = new FakeSpool(1);
    const { channel } = await connected({ spool });
    channel.return();
    expect(spool.returns).toEqual([{ producer: 'former', slot: 3, sequence: 1 }]);
  });

  it('is unconfirmed when the connection ends', async () => {
    const spool = new FakeSpool(1);
    const { broker, session } = await connected({ spool });
    broker.lose(session);
    expect(spool.lostTimes).toBe(1);
  });
});

it('publishes nothing more once it is stopped', async () => {
  const { outbox, submit, channel } = await connected();
  outbox.stop();
  submit('1');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(channel.published).toEqual([]);
});
