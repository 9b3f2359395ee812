import { listWaitMs, withKnownMeters } from '../meters/meter-knowledge.ts';
import { type MeterCatalog, metersOf } from '../meters/meter-list.ts';
import type { Flight } from '../sending/flight.ts';

const nothingArmed: ReadonlyMap<string, number> = new Map();
const askAgainMs = 1_000;
const noAnswer = 'its meters cannot be read: no answer so far';

/**
 * Which accounts have calls that could start. Before anything of an account is called its meters are known: those of one that
 * was taken over have to be asked for.
 */
export class ArmedAccounts {
  readonly #flight: Flight;
  /** Accounts that have calls and no list of meters, since when. */
  readonly #listless = new Map<string, number>();
  #askAgainAtMs = Number.NEGATIVE_INFINITY;
  /** Accounts whose number of calls that could start may be another one since `takeChanges`. */
  readonly #changed = new Set<string>();
  #couldCall = false;

  constructor(flight: Flight) {
    this.#flight = flight;
  }

  /** Calls that could start, by account; the platform's own has no name. */
  now(catalog: MeterCatalog, mayCall: boolean): ReadonlyMap<string, number> {
    return mayCall ? withKnownMeters(this.#flight.calls.armed, catalog) : nothingArmed;
  }

  /** Of `now`, what is another number since this was last asked, or may be. */
  takeChanges(catalog: MeterCatalog, mayCall: boolean, nowMs: number): ReadonlyMap<string, number> {
    this.#note(catalog, nowMs);
    const { armed } = this.#flight.calls;
    if (mayCall !== this.#couldCall) {
      this.#couldCall = mayCall;
      for (const account of armed.keys()) this.#changed.add(account);
    }
    if (this.#changed.size === 0) return nothingArmed;
    const changes = new Map<string, number>();
    for (const account of this.#changed) {
      const isCallable = mayCall && metersOf(catalog, account) !== undefined;
      changes.set(account, isCallable ? (armed.get(account) ?? 0) : 0);
    }
    this.#changed.clear();
    return changes;
  }

  /** `account`: whose list is another one; undefined: those of all. */
  catalogRead(catalog: MeterCatalog, account: string | undefined): void {
    const { connected = new Map<string, never>() } = catalog;
    for (const name of account === undefined ? ['', ...connected.keys()] : [account]) {
      const of = name === '' ? catalog : connected.get(name);
      if (of === undefined) continue;
      if (of.meters !== undefined) this.#listless.delete(name);
      this.#flight.drive.accounts.listRead(name, of.unreadable, of.meters !== undefined);
      this.#changed.add(name);
    }
  }

  /** Accounts whose meters have to be asked for now. */
  takeWantedMeters(catalog: MeterCatalog, nowMs: number): string[] {
    const wanted = [...this.#flight.calls.takeWantedMeters()];
    const known = this.#listless.size;
    this.#note(catalog, nowMs);
    if (this.#listless.size === 0 || (nowMs < this.#askAgainAtMs && this.#listless.size === known)) return wanted;
    this.#askAgainAtMs = nowMs + askAgainMs;
    for (const [account, sinceMs] of this.#listless) {
      wanted.push(account);
      if (nowMs - sinceMs < listWaitMs) continue;
      this.#flight.drive.accounts.listRead(account, { reason: noAnswer, sinceMs }, false);
    }
    return wanted;
  }

  #note(catalog: MeterCatalog, nowMs: number): void {
    for (const account of this.#flight.drive.lanes.takeChanged()) {
      this.#changed.add(account);
      const isArmed = this.#flight.calls.armed.has(account);
      if (!isArmed) this.#listless.delete(account);
      else if (metersOf(catalog, account) === undefined && !this.#listless.has(account))
        this.#listless.set(account, nowMs);
    }
  }
}
