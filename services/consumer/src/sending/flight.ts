import type { PendingSet, SetCommit, ShardState } from '../../../../shared/journal/journal.ts';
import { delayMs } from '../../../../shared/retry/delay.ts';
import type { ShardMemory } from '../counting/memory.ts';
import { refusedApartMax, refusedParkedMax } from '../counting/refused-entries.ts';
import type { SumLimits } from '../counting/refused-sums.ts';
import { sealEntries } from '../counting/seal.ts';
import { addToTotals, totalFields } from '../counting/totals.ts';
import type { DriveLimits } from '../lanes/drive-limits.ts';
import { deferredItem, newItem, pendingItems } from '../lanes/item.ts';
import type { Served } from '../lanes/served.ts';
import type { Unsure } from '../meters/meter-knowledge.ts';
import type { MeterCatalog } from '../meters/meter-list.ts';
import { ShardCalls } from './calls.ts';
import { DeferredWrites } from './deferred-writes.ts';
import { Drive } from './drive.ts';
import type { RandomSource } from './random-source.ts';
import { RedisClock } from './redis-clock.ts';
import { RequestedReplays } from './requested-replays.ts';
import { type DrivenSet, indexOf, SetProgress } from './set-progress.ts';
import { type JournalAnswer, type JournalWrite, newWrite, type Write } from './write.ts';

/**
 * The sealed set of a shard on its way: at most one (invariant 9).
 *
 *   none ──seal──▶ totalling ──read──▶ committing ──ok──▶ driving ──complete──▶ none      none ──load──▶ driving (inherited)
 *
 * Totals are written as absolute values, so those that a set adds to are read before it is committed: none is kept here.
 *
 * All writes to the journal pass here, one at a time. A write without an answer is repeated as it was, never changed
 * and never overtaken (invariant 2), so what the journal holds is always this state or the one before.
 */
type State =
  | { readonly mode: 'none' }
  | { readonly mode: 'totalling'; readonly draft: Omit<SetCommit, 'totals'>; readonly catalog: MeterCatalog }
  | { readonly mode: 'committing'; readonly commit: SetCommit }
  | ({ readonly mode: 'driving' } & DrivenSet);

type Driving = State & { readonly mode: 'driving' };

export interface FlightLimits {
  readonly shard: number;
  readonly incarnation: string;
  readonly windowMs: number;
  readonly windowMaxMs?: number;
  readonly refusedApartMax?: number;
  readonly parkedMax?: number;
  readonly drive: DriveLimits;
  /** Of the whole consumer; absent: of this shard alone. */
  readonly served?: Served;
  readonly random: RandomSource;
}

const markChunk = 64;
const writeRetry = { baseMs: 50, maxMs: 2_000 };

export class Flight {
  readonly clock = new RedisClock();
  readonly drive: Drive;
  readonly calls: ShardCalls;
  readonly #limits: FlightLimits;
  readonly #deferredWrites: DeferredWrites;
  readonly #progress: SetProgress;
  readonly #replays = new RequestedReplays();
  #state: State = { mode: 'none' };
  #write: Write | undefined;
  #next = 1;
  #settled: { readonly set: number; readonly redisMs: number } | undefined;
  #forgottenIdSets: readonly number[] | undefined;

  constructor(limits: FlightLimits) {
    this.#limits = limits;
    this.drive = new Drive(limits.drive, () => limits.random.number(), limits.served);
    this.calls = new ShardCalls(this.drive, this.clock);
    this.#progress = new SetProgress(this.drive, sumLimits(limits));
    this.#deferredWrites = new DeferredWrites(this.drive, this.#replays, this.clock);
  }

  /** The number that the open set will get. */
  get next(): number {
    return this.#next;
  }

  /** The number of the next set in the journal as far as the journal has told: a commit under way may not have been made. */
  get journalNext(): number {
    const { mode } = this.#state;
    return mode === 'totalling' || mode === 'committing' ? this.#next - 1 : this.#next;
  }

  /** Sealed and not settled. */
  get pendingSet(): number | undefined {
    return this.#state.mode === 'none' ? undefined : this.#next - 1;
  }

  get settledThrough(): number {
    return this.#state.mode === 'none' ? this.#next - 1 : this.#next - 2;
  }

  /** No call and no write under way, and nothing known that the journal should be told. */
  get isQuiet(): boolean {
    return this.calls.underWay === 0 && this.#write === undefined && !this.drive.hasEndedToWrite;
  }

  load(state: ShardState, askedAtMs: number, nowMs: number): void {
    this.clock.observe(state.redisMs, nowMs);
    this.#next = state.next;
    // An outcome's age: what the journal says, plus our own clock since before it was asked (invariant 6).
    const since = (attemptedAtMs: number) => askedAtMs - Math.max(0, state.redisMs - attemptedAtMs);
    for (const parked of state.deferred) {
      const item = deferredItem(parked, parked.attemptedAtMs);
      if (parked.attemptedAtMs !== undefined) item.unresolvedSinceMs = since(parked.attemptedAtMs);
      this.drive.deferred.load(item, nowMs);
    }
    if (state.pending !== undefined) this.#inherit(state.pending, since, state.redisMs, nowMs);
  }

  #inherit(pending: PendingSet, since: (attemptedAtMs: number) => number, redisMs: number, nowMs: number): void {
    const { set, token, progressWrites } = pending;
    this.#state = { mode: 'driving', set, token, progressWrites };
    this.drive.startSet(pendingItems(pending, since), redisMs, nowMs);
  }

  /**
   * Seals the open set, empty of entries or not: its cursors count either way (invariant 2). `isInOrder`: no message
   * that is older than the set's oldest one can still come, so what only those could repeat may be forgotten. `unsure`: meters
   * of which the catalog does not say enough.
   */
  seal(
    memory: ShardMemory,
    catalog: MeterCatalog,
    isInOrder: boolean,
    nowMs: number,
    unsure: Unsure = new Map(),
  ): void {
    const set = this.#next;
    this.#next++;
    const token = this.#limits.random.token();
    const open = memory.seal(set);
    const entries = sealEntries(open.counts.values(), catalog, { ...this.#limits, set, token }, unsure);
    const draft = {
      set,
      token,
      entries,
      cursors: memory.cursors.seal(this.clock.at(nowMs)),
      forgottenCursors: isInOrder ? memory.cursors.forget(open.oldestAcceptedMs) : [],
      ids: open.ids.slots(),
      forgottenIdSets: memory.forgettableIdSets(open.oldestAcceptedMs, isInOrder),
    };
    this.#state = { mode: 'totalling', draft, catalog };
    if (entries.length === 0) this.#totalsRead(this.#state, new Map());
  }

  #totalsRead({ draft, catalog }: State & { readonly mode: 'totalling' }, totals: ReadonlyMap<string, string>): void {
    this.#state = { mode: 'committing', commit: { ...draft, totals: addToTotals(totals, draft.entries, catalog) } };
  }

  tick(nowMs: number): void {
    this.drive.tick(nowMs, this.clock.at(nowMs));
  }

  /** The provider does not serve this connected account, for this reason; undefined: it may be tried again. */
  accountChanged(account: string, closedFor: string | undefined, nowMs: number): void {
    this.drive.accounts.changed(account, closedFor, nowMs);
  }

  /** The write to send now, if any; without `goingOn` only what was begun is ended. */
  nextWrite(nowMs: number, goingOn: boolean): JournalWrite | undefined {
    if (this.#write === undefined) this.#write = this.#chooseWrite(nowMs, goingOn);
    if (this.#write === undefined || nowMs < this.#write.repeatAtMs) return undefined;
    this.#write.repeatAtMs = Number.POSITIVE_INFINITY;
    return this.#write.write;
  }

  /** The write under way was answered, or not (undefined). */
  written(answer: JournalAnswer | undefined, nowMs: number): 'ok' | 'repeat' | 'stale' | 'refused' | 'mismatch' {
    const write = this.#write;
    if (write === undefined) throw new Error('A journal write was answered that this shard did not make.');
    if (answer === undefined) {
      write.failures++;
      write.repeatAtMs = nowMs + delayMs(writeRetry, write.failures, this.#limits.random.number());
      return 'repeat';
    }
    switch (answer.answer) {
      case 'ok':
        this.clock.observe(answer.redisMs, nowMs);
        this.#write = undefined;
        write.answered(answer.redisMs, nowMs, answer);
        return 'ok';
      case 'stale':
      case 'mismatch':
        return answer.answer;
      case 'number':
      case 'pending':
        return 'refused';
    }
  }

  /** So many replays wait in the journal: they are taken as soon as there is room. */
  replaysWait(count: number): void {
    this.#replays.wait(count);
  }

  /** The set that settled since this was last asked. */
  takeSettled(): { readonly set: number; readonly redisMs: number } | undefined {
    const settled = this.#settled;
    this.#settled = undefined;
    return settled;
  }

  /** Sets whose ids the journal has dropped since this was last asked. */
  takeForgottenIdSets(): readonly number[] | undefined {
    const forgotten = this.#forgottenIdSets;
    this.#forgottenIdSets = undefined;
    return forgotten;
  }

  #chooseWrite(nowMs: number, goingOn: boolean): Write | undefined {
    const state = this.#state;
    switch (state.mode) {
      case 'totalling':
        return newWrite(
          { kind: 'read_totals', fields: totalFields(state.draft.entries) },
          (_redisMs, _nowMs, answer) => {
            if (!('totals' in answer)) throw new Error('Totals were read, and none were answered.');
            this.#totalsRead(state, answer.totals);
          },
        );
      case 'committing':
        return newWrite({ kind: 'commit', commit: state.commit }, (redisMs, atMs) =>
          this.#committed(state.commit, redisMs, atMs),
        );
      case 'driving':
        return this.#chooseSetWrite(state, nowMs, goingOn) ?? this.#deferredWrites.next(nowMs, goingOn);
      case 'none':
        return this.#deferredWrites.next(nowMs, goingOn);
    }
  }

  #chooseSetWrite(driving: Driving, nowMs: number, goingOn: boolean): Write | undefined {
    const { set, token, progressWrites } = driving;
    const drive = this.drive;
    const progress = this.#progress.next(driving, nowMs, goingOn);
    if (progress !== undefined) return progress;
    if (drive.setIsSettled) {
      return newWrite({ kind: 'complete', set, token, progressWrites }, (redisMs) => {
        this.#settled = { set, redisMs };
        this.#state = { mode: 'none' };
        drive.setCompleted();
      });
    }
    if (goingOn && drive.hasUnmarked(markChunk)) return this.#markWrite(set, token);
    return undefined;
  }

  #markWrite(set: number, token: string): Write | undefined {
    const items = this.drive.takeUnmarked(markChunk);
    if (items.length === 0) return undefined;
    return newWrite({ kind: 'mark', set, token, entries: items.map(indexOf) }, (redisMs, nowMs) =>
      this.drive.lanes.marked(items, redisMs, nowMs),
    );
  }

  #committed(commit: SetCommit, redisMs: number, nowMs: number): void {
    this.#state = { mode: 'driving', set: commit.set, token: commit.token, progressWrites: 0 };
    this.#forgottenIdSets = commit.forgottenIdSets;
    this.drive.startSet(
      commit.entries.map((entry, index) => newItem(entry, commit.set, index)),
      redisMs,
      nowMs,
    );
  }
}

function sumLimits({ windowMs, windowMaxMs = windowMs, ...limits }: FlightLimits): SumLimits {
  const { refusedApartMax: apartMax = refusedApartMax, parkedMax = refusedParkedMax } = limits;
  return { windowMs, windowMaxMs, apartMax, parkedMax };
}
