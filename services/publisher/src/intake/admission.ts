import { newEventId } from '../../../../shared/event/event-id.ts';
import type { Validation } from '../../../../shared/event/validate.ts';
import type { PublisherMetrics } from '../metrics.ts';
import type { Outcome } from '../outbox/outbox.ts';
import type { TurnedAwayReason } from '../outbox/core.ts';
import type { PackedEvent } from '../outbox/packing.ts';
import type { Format } from './item.ts';
import { type Holder, RecentIds } from './recent-ids.ts';
import { faultOf } from './request-fault.ts';
import { sift, type Sifted } from './sift.ts';

/** Where events go: `answer` is called exactly once, now or later. */
export interface Destination {
  readonly turnsAway: TurnedAwayReason | undefined;
  submit(events: readonly PackedEvent[], receivedAtMs: number, answer: (outcome: Outcome) => void): void;
}

/** Undefined: any meter. A function: as a file says now. */
export type AllowedMeters = ReadonlySet<string> | (() => ReadonlySet<string>) | undefined;

export interface AdmissionOptions {
  readonly outbox: Destination;
  readonly metrics: PublisherMetrics;
  readonly meters: AllowedMeters;
  readonly requestEventsMax: number;
}

/** `durable`: what is accepted is safe, and what is a duplicate was safe before. */
export type Verdict = (sifted: Sifted, outcome: Outcome) => void;

const recentIds = 50_000;
const recentMs = 5 * 60_000;

/** From the events of a request, in whatever form they came, to what became of them. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #recent: RecentIds;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const idsMax = Math.max(recentIds, options.requestEventsMax);
    this.#recent = new RecentIds({ idsMax, ageMs: recentMs }, performance.now());
  }

  /** Throws a `RequestFault` if nothing would be taken now. Asked before a body is read, which would be read for nothing. */
  checkOpen(): void {
    const { turnsAway } = this.#options.outbox;
    if (turnsAway !== undefined) throw faultOf(turnsAway);
  }

  /**
   * Validates the events and submits those that are new; `verdict` is told once, when it is known of all of them, and must not throw.
   * `whole`: if one is rejected, none is submitted.
   */
  take(items: readonly unknown[], validate: Format['validate'], verdict: Verdict, whole = false): void {
    const { outbox, metrics } = this.#options;
    const nowMs = Date.now();
    const holder = this.#recent.open(performance.now());
    const sifted = sift(items, { validate, validation: this.#validation(nowMs), recent: this.#recent, holder });
    for (const { code } of sifted.rejected) metrics.rejected.inc({ code });
    const counted: Verdict = (_, outcome) => {
      if (outcome === 'durable') {
        metrics.accepted.inc(sifted.accepted.length);
        metrics.duplicates.inc(sifted.duplicates);
      } else {
        metrics.failed.inc(sifted.accepted.length);
      }
      verdict(sifted, outcome);
    };
    const refused = whole && sifted.rejected.length > 0;
    if (refused || sifted.accepted.length === 0) {
      // A request that takes nothing gives back what it claimed.
      this.#recent.settle(holder, refused ? 'expired' : 'durable');
      if (refused) verdict(sifted, 'durable');
      else join(sifted, 'durable', counted);
      return;
    }
    outbox.submit(sifted.accepted, nowMs, (outcome) => {
      this.#recent.settle(holder, outcome);
      join(sifted, outcome, counted);
    });
  }

  /**
   * Tells what `take` would tell of the same events now, and takes nothing: nothing is submitted, counted or remembered. What the
   * broker would do is not known; it is taken for granted.
   */
  judge(items: readonly unknown[], validate: Format['validate'], verdict: Verdict): void {
    const recent = this.#recent.glance(performance.now());
    const validation = this.#validation(Date.now());
    join(sift(items, { validate, validation, recent, holder: judged }), 'durable', verdict);
  }

  #validation(nowMs: number): Validation {
    const { meters } = this.#options;
    const newId = (): string => newEventId(nowMs);
    if (typeof meters !== 'function') return { nowMs, newId, meters };
    return { nowMs, newId, meters: meters(), metersSetting: 'TALLYMAN_METERS_FILE' };
  }
}

const judged: Holder = { number: 0, outcome: undefined, listeners: undefined };

/** Waits for the requests that hold duplicates. If one of them fails this one fails with it, and its client sends it again. */
function join(sifted: Sifted, own: Outcome, verdict: Verdict): void {
  const { awaited } = sifted;
  if (awaited.size === 0 || own !== 'durable') {
    verdict(sifted, own);
    return;
  }
  const pending = [...awaited].filter(({ outcome }) => outcome === undefined);
  const end = (): void => {
    const failed = [...awaited].find(({ outcome }) => outcome !== 'durable')?.outcome;
    verdict(sifted, failed ?? 'durable');
  };
  if (pending.length === 0) {
    end();
    return;
  }
  let left = pending.length;
  for (const holder of pending) {
    (holder.listeners ??= []).push(() => {
      left--;
      if (left === 0) end();
    });
  }
}
