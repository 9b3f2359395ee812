import type { MessageOrigin, UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { Report } from './report.ts';

/** What the checker knows of one (lane, id): all that was sent under it, and by which messages it reached the broker. */
export interface Identity {
  readonly lane: string;
  readonly event: UsageEvent;
  /** Different only if a client used the id twice. */
  readonly values: Set<string>;
  accepted: boolean;
  /** A message with it is durable in a spool. */
  isSpooled: boolean;
  /** A record with it lies in a parked file, where a person finds it. */
  isParkedInSpool: boolean;
  readonly messages: Set<MessageRecord>;
}

export interface MessageRecord {
  readonly name: string;
  readonly text: string;
  readonly identities: readonly Identity[];
  readonly firstReachedMs: number;
  /** Of its latest copy. */
  lastReachedMs: number;
}

/** What clients sent, what they were told, and what reached the broker. */
export class Intake {
  readonly identities = new Map<string, Identity>();
  readonly messages = new Map<string, MessageRecord>();
  readonly #report: Report;
  #longestWaitMs = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  /** How long a message was on the broker before it was counted, at the longest. */
  get longestWaitMs(): number {
    return this.#longestWaitMs;
  }

  sent(event: UsageEvent): void {
    const name = identityName(event);
    const known = this.identities.get(name);
    if (known !== undefined) known.values.add(event.value);
    else {
      const lane = laneOf(event);
      this.identities.set(name, {
        lane,
        event,
        values: new Set([event.value]),
        accepted: false,
        isSpooled: false,
        isParkedInSpool: false,
        messages: new Set(),
      });
    }
  }

  accepted(event: UsageEvent): void {
    const identity = this.#identity(event);
    if (identity !== undefined) identity.accepted = true;
    if (identity?.messages.size === 0 && !identity.isSpooled) {
      this.#report.violation(`Event ${event.id} was answered 202 and is neither on the broker nor in a spool.`);
    }
  }

  reached(origin: MessageOrigin, body: Buffer, nowMs: number): void {
    const name = messageName(origin);
    const text = body.toString('utf8');
    const known = this.messages.get(name);
    if (known !== undefined) {
      if (known.text !== text)
        this.#report.violation(`Message ${name} was published again with other bytes (invariant 4).`);
      known.lastReachedMs = nowMs;
      return;
    }
    const identities = this.#identitiesOf(text);
    const message = { name, text, identities, firstReachedMs: nowMs, lastReachedMs: nowMs };
    this.messages.set(name, message);
    for (const identity of identities) identity.messages.add(message);
  }

  /** The message is in a committed set. */
  counted(name: string, nowMs: number): void {
    const reachedMs = this.messages.get(name)?.firstReachedMs ?? nowMs;
    this.#longestWaitMs = Math.max(this.#longestWaitMs, nowMs - reachedMs);
  }

  spooled(body: Buffer): void {
    for (const identity of this.#identitiesOf(body.toString('utf8'))) identity.isSpooled = true;
  }

  parkedInSpool(body: Buffer): void {
    for (const identity of this.#identitiesOf(body.toString('utf8'))) identity.isParkedInSpool = true;
  }

  #identitiesOf(text: string): readonly Identity[] {
    const { events } = JSON.parse(text) as { events: UsageEvent[] };
    return events.flatMap((event) => this.#identity(event) ?? []);
  }

  #identity(event: UsageEvent): Identity | undefined {
    const identity = this.identities.get(identityName(event));
    if (identity === undefined || !identity.values.has(event.value) || !isSameUsage(identity.event, event)) {
      this.#report.violation(`Event ${event.id} of ${event.customer} ${event.meter} is not one that a client sent.`);
      return undefined;
    }
    return identity;
  }
}

export function messageName(origin: MessageOrigin): string {
  return `${origin.slot}/${origin.producer}#${origin.sequence}`;
}

export function laneOf({
  account = '',
  customer,
  meter,
}: {
  account?: string;
  customer: string;
  meter: string;
}): string {
  return [account, customer, meter].join(' ');
}

function identityName(event: UsageEvent): string {
  return `${laneOf(event)} ${event.id}`;
}

function isSameUsage(left: UsageEvent, right: UsageEvent): boolean {
  if (left.timestamp !== right.timestamp) return false;
  if (left.dimensions === undefined || right.dimensions === undefined) return left.dimensions === right.dimensions;
  return JSON.stringify(left.dimensions) === JSON.stringify(right.dimensions);
}
