import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { closed } from './closed.ts';

class FakeChannel extends EventEmitter {
  readonly #answer: Promise<void>;

  constructor(answer: Promise<void>) {
    super();
    this.#answer = answer;
  }

  close(): Promise<void> {
    return this.#answer;
  }
}

const never = new Promise<void>(() => undefined);

describe('closed', () => {
  // A soak reset the connection of a consumer that was just verifying the topology. amqplib never answered the close of the channel, so
  // the consumer waited for it for ever: alive, connected again, and never ready.
  it('does not wait for an answer that a dead connection cannot give', async () => {
    const channel = new FakeChannel(never);
    const done = closed(channel);
    channel.emit('close');
    await expect(done).resolves.toBeUndefined();
  });

  it('waits for the answer while the connection lives', async () => {
    const answer = Promise.withResolvers<void>();
    let isClosed = false;
    const done = closed(new FakeChannel(answer.promise)).then(() => {
      isClosed = true;
    });
    await Promise.resolve();
    expect(isClosed).toBe(false);
    answer.resolve();
    await done;
  });

  it('takes what cannot be closed for closed', async () => {
    await expect(closed(new FakeChannel(Promise.reject(new Error('Channel closed'))))).resolves.toBeUndefined();
  });
});
