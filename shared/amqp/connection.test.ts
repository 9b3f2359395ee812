/** The connection on a broker that answers when the test wants: what a real one does in an order that hardly ever comes. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../log/log.ts';
import { FakeChannel, turns } from '../testing/fake-broker.ts';
import { BrokerConnection, type BrokerSession } from './connection.ts';
import { dialBroker } from './dial.ts';

vi.mock('./dial.ts', () => ({ dialBroker: vi.fn<typeof dialBroker>() }));

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** A connection of amqplib. */
class FakeModel extends EventEmitter {
  readonly connection = { serverProperties: { product: 'LavinMQ', version: '2.0.0' } };
  readonly channels: FakeChannel[] = [];
  readonly closed = Promise.withResolvers<void>();
  isClosing = false;

  async createChannel(): Promise<FakeChannel> {
    const channel = new FakeChannel();
    channel.closesAtOnce = false;
    this.channels.push(channel);
    return channel;
  }

  close(): Promise<void> {
    this.isClosing = true;
    return this.closed.promise;
  }

  end(error?: Error): void {
    if (error !== undefined) this.emit('error', error);
    this.emit('close', error);
    this.closed.resolve();
  }
}

function start() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const models: FakeModel[] = [];
  vi.mocked(dialBroker).mockImplementation(async () => {
    const model = new FakeModel();
    models.push(model);
    return model as never;
  });
  const told: string[] = [];
  const sessions: BrokerSession[] = [];
  const connection = new BrokerConnection({
    readUrl: () => 'amqp://127.0.0.1',
    name: 'test',
    log: createLog({ service: 'test', level: 'info' }, { write }),
    means: 'Usage waits.',
    closeTimeoutMs: 2_000,
  });
  connection.onConnected((session) => {
    sessions.push(session);
    told.push(`connected ${session.generation}`);
  });
  connection.onLost((generation) => told.push(`lost ${generation}`));
  connection.start();
  return { connection, models, sessions, told, lines };
}

describe('a stop', () => {
  it('closes every channel before the connection: a close of that overtakes acks, and loses them', async () => {
    const { connection, models, sessions } = start();
    await turns();
    await sessions[0]?.createChannel();
    const [model] = models;
    let isStopped = false;
    const stopped = connection.stop().then(() => (isStopped = true));
    await turns();
    expect(model?.channels[0]?.isClosing).toBe(true);
    expect(model?.isClosing).toBe(false);
    model?.channels[0]?.closed();
    await turns();
    expect(model?.isClosing).toBe(true);
    expect(isStopped).toBe(false);
    model?.end();
    await stopped;
  });

  it('does not wait for ever for a broker that does not answer', async () => {
    const { connection, sessions } = start();
    await turns();
    await sessions[0]?.createChannel();
    let isStopped = false;
    const stopped = connection.stop().then(() => (isStopped = true));
    await vi.advanceTimersByTimeAsync(1_900);
    expect(isStopped).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    await stopped;
  });

  it('while it connects closes what comes of that, and tells nobody', async () => {
    const { connection, models, told } = start();
    await connection.stop();
    await turns();
    expect(models[0]?.isClosing).toBe(true);
    expect(told).toEqual([]);
  });
});

describe('a session', () => {
  it('is told as lost once, however often it ends, and the next one has a generation of its own', async () => {
    const { models, told, sessions } = start();
    await turns();
    models[0]?.end(new Error('ECONNRESET'));
    sessions[0]?.abandon('useless');
    await turns();
    await vi.advanceTimersByTimeAsync(10_000);
    await turns();
    expect(told).toEqual(['connected 1', 'lost 1', 'connected 2']);
  });

  it('that is given up is lost at once: a broker that is frozen would never answer the close', async () => {
    const { sessions, told } = start();
    await turns();
    sessions[0]?.abandon('there is no channel to publish on');
    expect(told).toEqual(['connected 1', 'lost 1']);
  });
});

// A broker that was killed after days of work was three lines in 0.1 s, with a doubt of port and password, and none said what it means.
it('tells a broken connection in one line, with what it means, and another one only if it lasts', async () => {
  const { models, lines } = start();
  await turns();
  vi.mocked(dialBroker).mockRejectedValue(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
  models[0]?.end(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(lines.slice(1)).toMatchObject([{ level: 'warn', reason: 'reset' }]);
  expect(lines[1]?.['msg']).toBe(
    'There is no connection to the broker: it, or something on the way, cut the connection. Usage waits. It is tried again until it succeeds.',
  );
  await vi.advanceTimersByTimeAsync(30_000);
  expect(lines.slice(2)).toMatchObject([{ level: 'warn', reason: 'refused' }]);
});
