import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Profile, SimulatedCustomer, SimulatedMeter } from '../drawing/profile.ts';
import { type Intake, laneOf } from './intake.ts';
import type { Report } from './report.ts';

/**
 * Finds a standstill: every lane that the provider serves is billed within a few flush intervals, however many others it does not
 * serve. It counts events: those that had reached the broker by then, each identity once, against those of entries that were billed.
 */
export class Standstill {
  readonly #report: Report;
  readonly #intake: Intake;
  readonly #limitMs: number;
  readonly #isWell: (lane: string) => boolean;
  readonly #billedEvents = new Map<string, number>();

  constructor(profile: Profile, intake: Intake, report: Report) {
    this.#report = report;
    this.#intake = intake;
    this.#limitMs = limitMsOf(profile);
    const customers = new Set(profile.customers.filter(isServed).map(({ name }) => name));
    const meters = new Set(profile.meters.filter(isPlain).map(({ meter }) => meter.eventName));
    this.#isWell = (lane) => {
      const [, customer = '', meter = ''] = lane.split(' ');
      return customers.has(customer) && meters.has(meter);
    };
  }

  billed(entry: Entry): void {
    const lane = laneOf(entry);
    this.#billedEvents.set(lane, (this.#billedEvents.get(lane) ?? 0) + entry.events);
  }

  look(nowMs: number): void {
    const due = new Map<string, number>();
    for (const { lane, messages } of this.#intake.identities.values()) {
      const reachedMs = Math.min(...[...messages].map(({ firstReachedMs }) => firstReachedMs));
      if (reachedMs <= nowMs - this.#limitMs && this.#isWell(lane)) due.set(lane, (due.get(lane) ?? 0) + 1);
    }
    for (const [lane, events] of due) {
      const billed = this.#billedEvents.get(lane) ?? 0;
      if (billed >= events) continue;
      this.#report.violation(
        `Lane ${lane} stands still: the provider serves it, and of ${events} events that reached the broker ` +
          `${Math.round(this.#limitMs)} ms ago ${billed} are billed.`,
      );
      return;
    }
  }
}

/**
 * A set that begins to fill behind one that just began, both held up for as long as anything may be, and some time for calls. While its
 * breaker is not closed, lanes are tried one at a time, those first that are not known to fail.
 */
function limitMsOf({ flushIntervalMs, leaseMs, drive, customers, breakerResetMs, callTimeoutMs }: Profile): number {
  const broken = customers.filter(({ trouble }) => trouble !== undefined).length;
  const probesMs = broken * (breakerResetMs + callTimeoutMs);
  return 2 * (flushIntervalMs + drive.deferTail.afterMs + drive.retry.maxMs) + probesMs + leaseMs;
}

function isServed({ trouble, refusedFromMs }: SimulatedCustomer): boolean {
  return trouble === undefined && refusedFromMs === Number.POSITIVE_INFINITY;
}

function isPlain({ meter, createdAtMs, isOnlyPlatforms }: SimulatedMeter): boolean {
  return createdAtMs === 0 && isOnlyPlatforms !== true && meter.eventTimeWindow === undefined;
}
