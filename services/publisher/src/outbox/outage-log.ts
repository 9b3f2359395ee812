import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { counted, type Trouble, Troubles } from '../../../../shared/log/troubles.ts';

/** Why the broker does not take messages as they come. */
export type Detour = 'away' | 'alarm' | 'slow' | 'unwanted';

/** Of the spool, as it is now. */
export interface Kept {
  readonly records: number;
  readonly bytes: number;
  readonly isEmpty: boolean;
  readonly parked: number;
}

const whys: Readonly<Record<Detour, string>> = {
  away: 'The broker takes no usage',
  alarm: 'The broker has an alarm and accepts nothing',
  slow: 'The broker does not answer in time',
  unwanted: 'The broker gives messages back',
};

const refusals = {
  broker_unavailable: {
    about: 'answers',
    reason: 'broker_unavailable',
    level: 'error',
    message:
      'The broker takes no messages and there is no spool, so new usage is answered with 503 and stays with its clients. Bring the broker back.',
  },
  spool_full: {
    about: 'answers',
    reason: 'spool_full',
    level: 'error',
    message:
      'The broker takes no messages and the spool is full, so new usage is answered with 503 and stays with its clients. Bring the broker back.',
  },
  spool_unavailable: {
    about: 'answers',
    reason: 'spool_unavailable',
    level: 'error',
    message:
      'The broker takes no messages and the spool cannot be used, so new usage is answered with 503 and stays with its clients. Bring the broker back; the line about the spool says what is wrong with it.',
  },
} as const satisfies Readonly<Record<string, Trouble>>;

export type Refusal = keyof typeof refusals;

/**
 * Says where usage goes while the broker does not take it, why, and how that ended: once a reason and minute, and one line when the
 * spool is empty again. Decides nothing.
 */
export class OutageLog {
  readonly #troubles: Troubles;
  readonly #exchange: string;
  readonly #hasSpool: boolean;
  /** Of this life: written to the spool since it was last empty. */
  #lateEvents = 0;
  /** … and messages, with those of former lives. */
  #lateMessages = 0;
  #parkedBefore = 0;
  readonly #returnedSlots = new Set<number>();
  readonly #returned = new Set<string>();

  constructor(log: Logger, exchange: string, hasSpool: boolean, now?: () => number) {
    this.#troubles = new Troubles(log, now);
    this.#exchange = exchange;
    this.#hasSpool = hasSpool;
  }

  /** For `/readyz`. */
  get remarks(): readonly string[] {
    return this.#troubles.remarks;
  }

  /** A message of so many events is in the spool. `isNews`: not only because the first connection is still being made. */
  kept(why: Detour, events: number, { records, bytes, parked }: Kept, isNews: boolean): void {
    if (!this.#troubles.isOn('spool')) this.#parkedBefore = parked;
    this.#lateEvents += events;
    this.#lateMessages++;
    if (!isNews) return;
    this.#troubles.tell({
      about: 'spool',
      reason: why,
      message: `${whys[why]}: keeping usage on disk, in the spool, and answering 202. It is published when the broker takes it.`,
      fields: { messages: records, events: this.#lateEvents, bytes },
      remark: `${whys[why]}: usage is kept on disk, ${counted(records, 'message')} so far.`,
    });
  }

  /** What a former life has left. */
  found({ records, bytes, parked }: Kept): void {
    if (records === 0 || this.#lateMessages > 0) return;
    this.#parkedBefore = parked;
    this.#lateMessages = records;
    this.#troubles.tell({
      about: 'spool',
      reason: 'former_life',
      message: 'The spool holds messages of a former life; they are published again.',
      fields: { messages: records, bytes },
    });
  }

  /** Something of the spool has changed: it may be empty again. */
  looked({ isEmpty, parked }: Kept): void {
    if (!isEmpty) return;
    const [events, messages, lost] = [this.#lateEvents, this.#lateMessages, parked - this.#parkedBefore];
    this.#lateEvents = this.#lateMessages = 0;
    const late =
      events > 0 ? `${counted(events, 'event')} in ${counted(messages, 'message')}` : counted(messages, 'message');
    const end = lost === 0 ? 'None was lost.' : 'Some were parked and are not billed: see the lines above.';
    this.#troubles.over('spool', `Spool emptied: ${late} reached the broker late. ${end}`, {
      until: new Date().toISOString(),
      events,
      messages,
      parked: lost,
    });
  }

  /** Why new usage is turned away; undefined: it is not. */
  turnedAway(refusal: Refusal | undefined): void {
    if (refusal !== undefined) this.#troubles.tell(refusals[refusal]);
    else this.#troubles.over('answers', 'New usage is answered with 202 again.');
  }

  exchangeMissing(): void {
    this.#troubles.tell({
      about: 'exchange',
      reason: 'exchange_missing',
      level: 'error',
      message: `The broker has no exchange for usage: nothing is declared for this namespace, or it is the wrong broker. ${this.#custody} Run \`tallyman topology\`, or correct TALLYMAN_NAMESPACE or AMQP_URL.`,
      fields: { exchange: this.#exchange },
    });
  }

  channelFailed(cause: string): void {
    const message = 'The broker gives no channel to publish on; connecting again.';
    this.#troubles.tell({ about: 'exchange', reason: 'channel', message, fields: { cause } });
  }

  channelOpened(): void {
    this.#troubles.over('exchange', 'The exchange for usage is there again.', {
      exchange: this.#exchange,
    });
  }

  /** No queue is bound for the message. The broker confirms it all the same, after this. */
  returned({ producer, slot, sequence }: MessageOrigin): void {
    this.#returned.add(`${producer} ${slot} ${sequence}`);
    this.#returnedSlots.add(slot);
    this.#troubles.tell({
      reason: 'returned',
      level: 'error',
      message: `No queue is bound for some usage, and the broker gives it back: a queue was deleted, or the topology is not complete. ${this.#custody} Run \`tallyman topology\`.`,
      fields: { exchange: this.#exchange, slot, slots: this.#returnedSlots.size },
    });
  }

  /** What is confirmed after it was returned is not confirmed. */
  told(verdict: 'confirmed' | 'refused', { producer, slot, sequence }: MessageOrigin): void {
    if (this.#returned.size > 0 && this.#returned.delete(`${producer} ${slot} ${sequence}`)) return;
    if (verdict === 'refused') {
      this.#troubles.tell({
        reason: 'refused',
        level: 'error',
        message: `The broker refuses messages (nack). ${this.#custody} Check the broker's log.`,
        fields: { slot },
      });
      return;
    }
    if (this.#returnedSlots.delete(slot) && this.#returnedSlots.size === 0)
      this.#troubles.over('returned', 'Every slot has a queue again: no message comes back any more.');
    this.#troubles.over('refused', 'The broker takes messages again that it refused.');
  }

  /** The connection is gone: what was returned on it is not told of any more. */
  lost(): void {
    this.#returned.clear();
  }

  get #custody(): string {
    return this.#hasSpool ? 'It is kept on disk.' : 'It is tried again for 30 s, then answered with 503.';
  }
}
