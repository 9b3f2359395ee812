import type { UsageEvent } from '../../../shared/event/usage-event.ts';
import { remadeMeter } from './drawing/profile.ts';
import type { HttpStatus, Publisher } from './shells/publisher.ts';
import type { Random } from './time/random.ts';
import type { PlannedRequest } from './drawing/schedule.ts';
import type { World } from './models/world.ts';

interface Request {
  readonly name: string;
  readonly events: readonly UsageEvent[];
  /** Its events have ids of the client's own, so sending it again is harmless. */
  readonly mayRepeat: boolean;
  readonly random: Random;
  attempts: number;
}

const attemptsMax = 8;
type Dimensions = Readonly<Record<string, string>> | undefined;

/**
 * Some have all of others' and more, and two are the same in another order: keys that a comparison may mix up, and one
 * that it must not tell apart.
 */
const drawnDimensions: readonly Dimensions[] = [
  undefined,
  undefined,
  { region: 'a' },
  { region: 'a', tier: '1' },
  { tier: '1', region: 'a' },
  { region: 'b', tier: '1' },
];
/** The first is called most. */
export const connectedAccounts = ['acct_1', 'acct_1', 'acct_2'];

/**
 * The applications: they post usage to some sidecar, post it again under the same ids when there is no answer or a
 * 503, to the same sidecar or another one, and now and then once more for no reason at all.
 */
export class Client {
  readonly #world: World;
  readonly #publishers: () => readonly Publisher[];
  #events = 0;
  /** Ids are unique within their lane only. */
  readonly #idsOfLane = new Map<string, number>();
  /** Of the last event. */
  readonly #dimensionsOfLane = new Map<string, Dimensions>();
  #open = 0;

  constructor(world: World, planned: readonly PlannedRequest[], publishers: () => readonly Publisher[]) {
    this.#world = world;
    this.#publishers = publishers;
    for (const request of planned) {
      this.#open++;
      world.timeline.at(request.atMs, () => this.#begin(request));
    }
  }

  /** Requests that are not answered and not given up. */
  get open(): number {
    return this.#open;
  }

  /** One more, now, and only once. */
  post(request: PlannedRequest): void {
    this.#open++;
    this.#begin(request, 0);
  }

  #begin({ name, random }: PlannedRequest, mayRepeatChance = 0.85): void {
    const { profile, timeline } = this.#world;
    const { dedupWindowMs, activeMs } = profile;
    const mayRepeat = random.chance(mayRepeatChance);
    const count = random.integer(1, 4);
    const events = Array.from({ length: count }, () => this.#drawEvent(mayRepeat, random));
    this.#send({ name, events, mayRepeat, random, attempts: 0 });
    if (mayRepeat && random.chance(profile.repeats)) {
      this.#open++;
      const again = { name: `${name} again`, events: mayBeChanged(events, random), mayRepeat, random, attempts: 0 };
      // At once, within the dedup window, just at its end, or beyond it.
      const windows = random.pick([0, random.between(0, 1), 0.98, 2]);
      timeline.at(Math.min(activeMs, timeline.nowMs + windows * dedupWindowMs), () => this.#send(again));
    }
  }

  #send(request: Request): void {
    const { timeline, checker, tally, trace, profile } = this.#world;
    checker.sent(request.events);
    request.attempts++;
    const alive = this.#publishers();
    const { random } = request;
    const publisher = random.pick(alive);
    if (trace.on)
      trace.line('client', `${request.name} to ${publisher.process.name}: ${request.events.map(describe).join(', ')}`);
    let isOver = false;
    const end = (status: HttpStatus | undefined): void => {
      if (isOver) return;
      isOver = true;
      this.#answered(request, status);
    };
    // The answer of a request that waits may take as long as its message may.
    const sentAtMs = timeline.nowMs;
    let isAnswered = false;
    timeline.after(profile.publishExpiryMs * 1.2, () => {
      const { process } = publisher;
      if (!isAnswered && process.isAlive && !process.hasSleptSince(sentAtMs))
        checker.unanswered(request.name, process.name);
      end(undefined);
    });
    timeline.after(random.between(1, 10), () =>
      publisher.process.receive(() =>
        publisher.submit(request.events, (status) => {
          isAnswered = true;
          publisher.process.emit(() =>
            timeline.after(random.between(1, 10), () => {
              // Durable is durable, even if the client has stopped listening.
              if (status === 202) checker.accepted(request.events);
              tally.add(`answers ${status}`);
              if (!random.chance(0.01)) end(status);
            }),
          );
        }),
      ),
    );
  }

  #answered(request: Request, status: HttpStatus | undefined): void {
    const { timeline, profile, tally } = this.#world;
    if (status === undefined) tally.add('client timeouts');
    if (status === 202 || !request.mayRepeat || request.attempts >= attemptsMax) {
      this.#open--;
      return;
    }
    tally.add('client retries');
    timeline.after(request.random.between(0.05, 0.5) * profile.leaseMs, () => this.#send(request));
  }

  #drawEvent(hasId: boolean, random: Random): UsageEvent {
    const { profile, timeline } = this.#world;
    const { eventName } = random.chance(profile.misspelt)
      ? { eventName: 'misspelt' }
      : random.pick(profile.meters).meter;
    const isLast = profile.meters.some(({ meter }) => meter.eventName === eventName && meter.formula === 'last');
    const nowMs = profile.epochMs + timeline.nowMs;
    const lateMs = random.chance(0.3) ? random.between(0, 3 * profile.windowMs) : 0;
    this.#events++;
    const customer = random.pick(profile.customers).name;
    const account = random.chance(profile.connected) ? random.pick(connectedAccounts) : undefined;
    const dimensions = random.pick(drawnDimensions);
    this.#noteDimensions(`${account} ${customer} ${eventName}`, dimensions);
    return {
      id: hasId ? `e${this.#nextIdOf(`${account} ${customer} ${eventName}`)}` : `generated${this.#events}`,
      ...(hasId ? {} : { idGenerated: true }),
      customer,
      meter: eventName,
      value: drawValue(eventName, random),
      // Of a meter that keeps the last value no two are of the same second, so that it is clear which is the last.
      timestamp: isLast ? Math.floor(nowMs / 1000) - 1000 + this.#events : timeOf(nowMs, lateMs, profile.windowMs),
      ...(dimensions === undefined ? {} : { dimensions }),
      ...(account === undefined ? {} : { account }),
    };
  }

  /** For the summary, which shows that such events are drawn. */
  #noteDimensions(lane: string, dimensions: Dimensions): void {
    const before = Object.entries(this.#dimensionsOfLane.get(lane) ?? {});
    this.#dimensionsOfLane.set(lane, dimensions);
    const isMore = Object.keys(dimensions ?? {}).length > before.length;
    if (before.length > 0 && isMore && before.every(([name, value]) => dimensions?.[name] === value))
      this.#world.tally.add('events with additional dimensions');
  }

  #nextIdOf(lane: string): number {
    const id = (this.#idsOfLane.get(lane) ?? 0) + 1;
    this.#idsOfLane.set(lane, id);
    return id;
  }
}

/** The same events, one of them now and then with another value under its id: then either of them counts, once. */
function mayBeChanged(events: readonly UsageEvent[], random: Random): readonly UsageEvent[] {
  if (random.chance(0.8)) return events;
  return events.map((event) => (random.chance(0.5) ? event : { ...event, value: drawValue(event.meter, random) }));
}

/** Mostly so odd that no other events add up to it. */
function drawValue(meter: string, random: Random): string {
  const digits = String(random.integer(100_000, 999_999));
  // Never cut in two: how an entry was merged is told by its value.
  if (meter === remadeMeter) return `${digits}.${random.integer(1, 999)}`;
  switch (random.integer(0, 5)) {
    case 0:
      return '1';
    case 1:
      return `-${digits}`;
    case 2:
      return `${digits}.${random.integer(1, 999)}`;
    case 3:
      return `0.00${digits}`;
    case 4:
      return `${digits}${random.integer(100_000_000, 999_999_999)}`;
    default:
      return digits;
  }
}

function describe({ id, meter, customer, value }: UsageEvent): string {
  return `${id} ${customer}/${meter}=${value}`;
}

/** Of late events some are of the last instant of a window, finer than a millisecond: rounded, they would be of the next one. */
function timeOf(nowMs: number, lateMs: number, windowMs: number): number {
  const ms = Math.floor(nowMs - lateMs);
  return lateMs > 0 && Math.floor(lateMs) % 8 === 0 ? (Math.floor(ms / windowMs) * windowMs - 0.4) / 1000 : ms / 1000;
}
