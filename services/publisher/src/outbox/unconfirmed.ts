import type { RetryPolicy } from '../../../../shared/retry/delay.ts';
import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import { Fifo } from './fifo.ts';
import type { Batch } from './packing.ts';
import { keyOf } from './wire.ts';

/** A message that has its sequence and its bytes, and is neither confirmed nor spooled nor dropped. */
export interface Message {
  readonly origin: MessageOrigin;
  readonly body: Buffer;
  readonly batch: Batch;
  readonly events: number;
  readonly expiresAtMs: number;
  /** The generation it was last published on; undefined while the broker does not have it. */
  sentOn: number | undefined;
  returned: boolean;
  /** The spool has it, and has not said yet whether it is durable. */
  spooling: boolean;
}

/**
 * The messages that wait for broker or spool, and in what order they are taken again.
 *
 *   taken ──lost, slow, declined──▶ again ──▶ taken          by whichever route there is
 *     │ returned, refused
 *     ├──▶ unwanted ──▶ taken by the spool                    if it has room, else:
 *     └──▶ paused ──▶ again
 */
export class Unconfirmed {
  readonly #retry: RetryPolicy;
  /** In the order in which they were taken first. */
  readonly #messages = new Map<number, Message>();
  readonly #again = new Fifo<Message>();
  readonly #unwanted = new Fifo<Message>();
  /** They wait together: what fails one usually fails all. */
  #paused: Message[] = [];
  #pausedUntilMs = Infinity;
  #failedRounds = 0;

  constructor(retry: RetryPolicy) {
    this.#retry = retry;
  }

  get size(): number {
    return this.#messages.size;
  }

  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  /** In the order in which they were taken first; they may be removed meanwhile. */
  oldestFirst(): Iterable<Message> {
    return this.#messages.values();
  }

  get(key: number): Message | undefined {
    return this.#messages.get(key);
  }

  add(message: Message): void {
    this.#messages.set(keyOf(message.origin.slot, message.origin.sequence), message);
  }

  remove({ origin }: Message): void {
    this.#messages.delete(keyOf(origin.slot, origin.sequence));
  }

  /** To be taken again; with a generation, not one that is under way on that connection. */
  nextAgain(nowMs: number, generation?: number): Message | undefined {
    return this.#next(this.#again, nowMs, generation);
  }

  /** For the spool alone: the broker does not want it. */
  nextUnwanted(nowMs: number): Message | undefined {
    return this.#next(this.#unwanted, nowMs);
  }

  takeAgain(message: Message): void {
    this.#again.push(message);
  }

  /** In the order in which they were taken first. */
  takeAllAgain(): void {
    this.#again.clear();
    this.#unwanted.clear();
    this.#paused = [];
    this.#pausedUntilMs = Infinity;
    for (const message of this.#messages.values()) if (!message.spooling) this.#again.push(message);
  }

  /** The connection is gone, and with it what was said on it: a return says nothing about the next publish. */
  lost(): void {
    for (const message of this.#messages.values()) {
      message.sentOn = undefined;
      message.returned = false;
    }
    this.takeAllAgain();
  }

  unwanted(message: Message): void {
    this.#unwanted.push(message);
  }

  pause(message: Message, nowMs: number): void {
    if (this.#paused.length === 0) {
      const { baseMs, maxMs } = this.#retry;
      this.#pausedUntilMs = nowMs + Math.min(maxMs, baseMs * 2 ** Math.min(this.#failedRounds, 30));
      this.#failedRounds++;
    }
    this.#paused.push(message);
  }

  /** The spool has no room any more. */
  pauseUnwanted(nowMs: number): void {
    for (let message = this.#unwanted.shift(); message !== undefined; message = this.#unwanted.shift())
      this.pause(message, nowMs);
  }

  endPause(nowMs: number): void {
    if (nowMs < this.#pausedUntilMs) return;
    for (const message of this.#paused) this.#again.push(message);
    this.#paused = [];
    this.#pausedUntilMs = Infinity;
  }

  /** The broker has taken one: the next pause is a short one. */
  succeeded(): void {
    this.#failedRounds = 0;
  }

  #next(queue: Fifo<Message>, nowMs: number, generation?: number): Message | undefined {
    for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
      const { origin, spooling, sentOn, expiresAtMs } = message;
      if (spooling || (generation !== undefined && sentOn === generation)) continue;
      // Dropped meanwhile, or about to be.
      if (this.#messages.has(keyOf(origin.slot, origin.sequence)) && nowMs < expiresAtMs) return message;
    }
    return undefined;
  }
}
