import { describe, expect, it } from 'vitest';
import { BrokerChannel, ModelQueue, type StoredMessage } from './model-queue.ts';

function newQueue(acked: (message: StoredMessage) => void = () => undefined): ModelQueue {
  return new ModelQueue(0, 65_535, { acked, nowMs: () => 0 });
}

function store(queue: ModelQueue, count: number): void {
  for (let stored = 0; stored < count; stored++) queue.store({ body: Buffer.from(''), headers: {}, origin: undefined });
  queue.pump();
}

/** Consumes, and gives the positions that were delivered so far. */
function consume(queue: ModelQueue, prefetch: number): { channel: BrokerChannel; delivered: number[] } {
  const delivered: number[] = [];
  const channel = new BrokerChannel(queue, (_tag, { position }) => delivered.push(position));
  channel.consume(prefetch);
  return { channel, delivered };
}

describe('a queue of the model broker', () => {
  it('delivers in order, up to the prefetch', () => {
    const queue = newQueue();
    const { channel, delivered } = consume(queue, 2);
    store(queue, 4);
    expect(delivered).toEqual([1, 2]);
    channel.ack(1);
    expect(delivered).toEqual([1, 2, 3]);
  });

  it('acks everything up to the tag, and nothing on a closed channel', () => {
    const acked: number[] = [];
    const queue = newQueue(({ position }) => acked.push(position));
    const { channel } = consume(queue, 10);
    store(queue, 3);
    channel.ack(2);
    channel.close();
    channel.ack(3);
    expect(acked).toEqual([1, 2]);
    expect(queue.ready).toBe(1);
  });

  it('takes back what was not acked, to its old place', () => {
    const queue = newQueue();
    const frozen = consume(queue, 2);
    store(queue, 2);
    const next = consume(queue, 10);
    store(queue, 2);
    expect(next.delivered).toEqual([3, 4]);
    frozen.channel.close();
    expect(next.delivered).toEqual([3, 4, 1, 2]);
    next.channel.close();
    expect(consume(queue, 10).delivered).toEqual([1, 2, 3, 4]);
  });

  it('brings acked messages back after a power loss, and may lose what was never synced', () => {
    const queue = newQueue();
    const { channel } = consume(queue, 10);
    store(queue, 2);
    channel.ack(2);
    channel.close();
    store(queue, 1);
    queue.losePower(() => false, 1);
    expect(consume(queue, 10).delivered).toEqual([]);
    const kept = newQueue();
    const other = consume(kept, 10);
    kept.store({ body: Buffer.from(''), headers: {}, origin: undefined }).isSynced = true;
    kept.pump();
    other.channel.ack(1);
    other.channel.close();
    expect(kept.losePower(() => false, 1)).toHaveLength(1);
    expect(consume(kept, 10).delivered).toEqual([1]);
  });
});
