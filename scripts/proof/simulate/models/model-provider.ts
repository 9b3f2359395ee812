import type { MeterList } from '../../../../services/consumer/src/meters/meter-list.ts';
import type { Meter, Outcome } from '../../../../services/consumer/src/provider/provider.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Process } from '../time/process.ts';
import type { CustomerTrouble, SimulatedMeter } from '../drawing/profile.ts';
import type { Random } from '../time/random.ts';
import type { World } from './world.ts';

/**
 * The billing provider (stripe.md): remembers identifiers for a day, takes one call at a time per lane (409), and fails in every
 * way that leaves its caller in doubt: the answer lost after the effect, a 500 before or after it, no answer at all.
 */
export type ProviderMode = 'well' | 'failing' | 'refusing_connections' | 'silent' | 'key_revoked' | 'throttling';

/** How a read of meters ends that fails: with 403, with any other answer that is no list, or not at all. */
export const unlistedWays = ['refused', 'failed', 'silent'] as const;
export type UnlistedWay = (typeof unlistedWays)[number];

export class ModelProvider {
  readonly #world: World;
  readonly #random: Random;
  readonly #rememberedUntilMs = new Map<string, number>();
  readonly #busyLanes = new Set<string>();
  readonly #revokedAccounts = new Set<string>();
  readonly #unlisted = new Map<string, UnlistedWay>();
  /** The platform's list as it was read last, and when, on the timeline. */
  #stored: MeterList | undefined;
  #mode: ProviderMode = 'well';
  #isMended = false;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  set mode(mode: ProviderMode) {
    this.#mode = mode;
  }

  /** From now on every customer is served. */
  mend(): void {
    this.#isMended = true;
    this.#mode = 'well';
  }

  /** Takes the platform's access to a connected account away, or gives it back. */
  revoke(account: string, isRevoked: boolean): void {
    if (isRevoked) this.#revokedAccounts.add(account);
    else this.#revokedAccounts.delete(account);
  }

  /** Makes every read of the account's meters fail in this way, or none any more; the platform's own account has no name. */
  unlist(account: string, way: UnlistedWay | undefined): void {
    // Without any list of the platform's nobody counts, which no fault of one account can cure.
    if (way === undefined || (account === '' && this.#stored === undefined)) this.#unlisted.delete(account);
    else this.#unlisted.set(account, way);
  }

  get isUnlisted(): boolean {
    return this.#unlisted.size > 0;
  }

  /** The cluster keeps the platform's list in Redis, for who cannot read it. */
  stored({ nowMs }: Process): MeterList | undefined {
    if (this.#stored === undefined) return undefined;
    const { meters, askedAtMs } = this.#stored;
    return { meters, askedAtMs: nowMs - (this.#world.timeline.nowMs - askedAtMs) };
  }

  list(): void {
    this.#unlisted.clear();
  }

  /** One call, as `Provider.send`: `ended` is told exactly once, after the call's timeout at the latest. */
  send(entry: Entry, process: Process, ended: (outcome: Outcome) => void): void {
    const { timeline, profile, rates, tally } = this.#world;
    tally.add('calls');
    let isOver = false;
    const end = (outcome: Outcome): void => {
      if (isOver) return;
      isOver = true;
      tally.add(`calls ${outcome.kind}`);
      ended(outcome);
    };
    const answer = (outcome: Outcome): void => {
      if (this.#random.chance(rates.replyLost)) tally.add('replies lost');
      else timeline.after(this.#latencyMs(), () => process.receive(() => end(outcome)));
    };
    process.after(profile.callTimeoutMs, () => end({ kind: 'unknown', reason: 'timeout' }));
    process.emit(() => {
      if (this.#mode === 'refusing_connections' || this.#random.chance(rates.unsent)) {
        timeline.after(1, () => process.receive(() => end({ kind: 'unsent', reason: 'connection refused' })));
      } else if (!this.#random.chance(this.#mode === 'silent' ? 0.5 : rates.requestLost)) {
        timeline.after(this.#latencyMs(), () => this.#arrive(entry, answer));
      }
    });
  }

  /** Every meter of the account; undefined: there was no list. May never be answered. */
  readMeters(
    account: string,
    process: Process,
    answered: (meters: ReadonlyMap<string, Meter> | 'unreadable' | undefined) => void,
  ): void {
    const { timeline } = this.#world;
    const askedAtMs = timeline.nowMs;
    timeline.after(this.#latencyMs(), () => {
      const way = this.#unlisted.get(account);
      if (way === 'silent') return;
      if (way !== undefined) {
        timeline.after(this.#latencyMs(), () =>
          process.receive(() => answered(way === 'refused' ? 'unreadable' : undefined)),
        );
        return;
      }
      const works = this.#mode === 'well' || this.#mode === 'throttling';
      const meters = works ? (this.#revokedAccounts.has(account) ? 'unreadable' : this.#meters(account)) : undefined;
      if (account === '' && meters instanceof Map) this.#stored = { meters, askedAtMs };
      timeline.after(this.#latencyMs(), () => process.receive(() => answered(meters)));
    });
  }

  /** Of each name the meter that takes its events, or the newest archived one, and the others that have had it. */
  #meters(account: string): ReadonlyMap<string, Meter> {
    const { profile, timeline } = this.#world;
    const existing = profile.meters
      .filter(
        ({ createdAtMs, isOnlyPlatforms }) =>
          createdAtMs <= timeline.nowMs && (account === '' || isOnlyPlatforms !== true),
      )
      .toSorted((left, right) => right.createdAtMs - left.createdAtMs);
    const byName = Map.groupBy(existing, ({ meter }) => meter.eventName);
    return new Map(
      [...byName].flatMap(([name, named]) => {
        const current = named.find((simulated) => !this.#isArchived(simulated)) ?? named[0];
        if (current === undefined) return [];
        const others = named.filter((other) => other !== current).map(({ meter }) => meter);
        const namesakes = others.map(({ id = '', formula }) => ({ id, formula }));
        const archived = this.#isArchived(current) ? { archived: true as const } : {};
        return [[name, { ...current.meter, ...archived, ...(namesakes.length === 0 ? {} : { namesakes }) }]];
      }),
    );
  }

  #isArchived({ archived }: SimulatedMeter): boolean {
    const { nowMs } = this.#world.timeline;
    return archived !== undefined && archived.fromMs <= nowMs && nowMs < archived.toMs;
  }

  #arrive(entry: Entry, answer: (outcome: Outcome) => void): void {
    const { timeline, rates } = this.#world;
    if (this.#mode === 'key_revoked') {
      answer({ kind: 'unauthorized', reason: '401' });
      return;
    }
    if (entry.account !== undefined && this.#revokedAccounts.has(entry.account)) {
      answer({ kind: 'unauthorized', reason: '403' });
      return;
    }
    if (this.#mode === 'throttling' || this.#random.chance(rates.throttled)) {
      answer({ kind: 'throttled', scope: 'account', limit: 'global-rate', reason: '429' });
      return;
    }
    const lane = `${entry.account ?? ''} ${entry.customer} ${entry.meter}`;
    const trouble = this.#troubleOf(entry);
    if (this.#busyLanes.has(lane) || trouble === 'locked') {
      answer({ kind: 'throttled', scope: 'lane', reason: '409' });
      return;
    }
    if (this.#mode === 'failing' && this.#random.chance(0.8)) {
      answer({ kind: 'unknown', reason: '500' });
      return;
    }
    this.#busyLanes.add(lane);
    timeline.after(this.#serviceMs(), () => {
      this.#busyLanes.delete(lane);
      this.#process(entry, answer);
    });
  }

  #process(entry: Entry, answer: (outcome: Outcome) => void): void {
    const { rates, timeline, profile } = this.#world;
    if (this.#random.chance(rates.failedBefore)) {
      answer({ kind: 'unknown', reason: '500' });
      return;
    }
    const trouble = this.#troubleOf(entry);
    if (trouble === 'failing') {
      answer({ kind: 'unknown', reason: '500' });
      return;
    }
    const meter = this.#meters(entry.account ?? '').get(entry.meter);
    const reason = this.#isRefused(entry)
      ? 'refused: no such customer'
      : meter?.archived === true
        ? 'archived_meter: no active meter of this name'
        : undefined;
    if (reason !== undefined) {
      answer({ kind: 'refused', reason });
      return;
    }
    if (entry.timestamp * 1000 > profile.epochMs + timeline.nowMs + profile.providerAheadMs) {
      this.#world.tally.add('calls for what was still to come');
      answer({ kind: 'early', reason: 'timestamp_in_future' });
      return;
    }
    const isKnown = (this.#rememberedUntilMs.get(entry.identifier) ?? -1) > timeline.nowMs;
    if (!isKnown) this.#bill(entry, meter?.formula);
    else this.#world.tally.add('calls for what the provider had');
    if (this.#mode === 'silent' || trouble === 'silent') return;
    const fails =
      trouble === 'billed_and_failing' || this.#mode === 'failing' || this.#random.chance(rates.failedAfter);
    answer(fails ? { kind: 'unknown', reason: '500' } : { kind: 'accepted' });
  }

  #troubleOf({ customer }: Entry): CustomerTrouble | undefined {
    if (this.#isMended) return undefined;
    return this.#world.profile.customers.find(({ name }) => name === customer)?.trouble;
  }

  /** Checked before the identifier: whoever asks again after a customer is gone is not told that the entry was taken. */
  #isRefused(entry: Entry): boolean {
    const customer = this.#world.profile.customers.find(({ name }) => name === entry.customer);
    return customer === undefined || this.#world.timeline.nowMs >= customer.refusedFromMs;
  }

  #bill(entry: Entry, formula: Meter['formula'] | undefined): void {
    const { profile, timeline, checker, trace } = this.#world;
    this.#rememberedUntilMs.set(entry.identifier, timeline.nowMs + profile.providerMemoryMs);
    if (trace.on) trace.line('provider', `billed ${entry.identifier} ${entry.value} as ${formula}`);
    checker.billed(entry, formula);
  }

  #latencyMs(): number {
    return this.#random.between(1, this.#world.profile.providerLatencyMs);
  }

  /** Sometimes longer than the caller waits. */
  #serviceMs(): number {
    const { callTimeoutMs, providerLatencyMs } = this.#world.profile;
    if (this.#random.chance(this.#world.rates.slow)) return this.#random.between(0, 2 * callTimeoutMs);
    return this.#random.between(1, providerLatencyMs);
  }
}
