/**
 * The journal: where a shard's flush set is committed before anything is sent (ARCHITECTURE.md 4). This file is the
 * contract; `redis-journal.ts` is the real thing and the simulation has a model of it. Both pass the same contract tests.
 *
 * Every write names the epoch under which its writer holds the shard. An answer of `stale` means that somebody else
 * holds it now: the writer discards everything it has in memory. `mismatch` means that the journal holds another
 * set or token than the writer committed: Redis lost writes, and a person has to look (invariant 8).
 *
 * A handle claims and writes: the lease is bound to the epoch and to the owner that it was claimed for with this handle.
 * An owner's name is that of one life of a consumer.
 *
 * All times are Redis' own clock, in unix milliseconds. A rejected promise means "no answer": the write may or
 * may not have happened, and is repeated as it was.
 */

/** One line of the bill: at most one per key and window in a set, unless the meter's formula or 15 digits forbid merging. */
export interface Entry {
  /** Identity at the provider: `tm1-<incarnation>-<shard>-<set>-<token part>-<entry>`, at most 100 characters. */
  readonly identifier: string;
  readonly account?: string;
  readonly customer: string;
  readonly meter: string;
  /** Of the provider's meter that it was counted for, as far as that was known: a name can get another meter. */
  readonly meterId?: string;
  readonly dimensions?: Readonly<Record<string, string>>;
  /** Exact decimal, at most 15 significant digits. */
  readonly value: string;
  /** Newest event time in the entry, unix seconds (whole, as the provider takes them). */
  readonly timestamp: number;
  /** Start of the event-time window, unix milliseconds. */
  readonly windowStartMs: number;
  /** Its length, if it was coarsened under pressure. */
  readonly windowMs?: number;
  /** How many usage events were counted into it. */
  readonly events: number;
  /** Set when the entry is dead from the start (for example a meter with `event_time_window`): it is never sent. */
  readonly refusal?: string;
}

/** How an entry of the pending set ended. `deferred` entries live on in the journal, outside of their set. */
export type SettledAs = 'accepted' | 'dead' | 'in_doubt' | 'deferred';

/** Why and when an entry left its set without being accepted. */
export interface ParkedEntry {
  readonly entry: Entry;
  readonly state: 'dead' | 'in_doubt' | 'deferred';
  readonly reason: string;
  /** First attempt that may have reached the provider, Redis time; absent when it was never attempted. */
  readonly attemptedAtMs?: number;
  readonly attempts: number;
  readonly parkedAtMs: number;
  readonly set: number;
  /** The newest calls of the owner that wrote this, oldest first: a few, not all. */
  readonly calls?: readonly CallRecord[];
  /** Only of a replay: what became of the entry under its earlier identifiers, oldest first. */
  readonly history?: readonly PastLife[];
}

/** A parked entry as it was read: what is written about it is void once that has changed. */
export interface ReadRecord {
  readonly record: ParkedEntry;
  /** As it stands in the journal. */
  readonly text: string;
}

/**
 * Dead entries of a set that were never sent, and whose amounts go to a parked entry of which the same is true. Should a person have
 * decided about that one meanwhile, they are parked by themselves.
 */
export interface Addition {
  /** Says what may be added up: later entries with this key find the one that has the amounts now. */
  readonly key: string;
  /** What they are added to, and what it becomes; absent: none is known. */
  readonly to?: ReadRecord & { readonly sum: ParkedEntry };
  /** The amounts by themselves, under the first identifier of theirs. */
  readonly own: ParkedEntry;
}

/** A call that did not bring the entry to its end, and what was answered. */
export interface CallRecord {
  /** Redis time at which its outcome was known. */
  readonly atMs: number;
  readonly answer: string;
}

/** An entry under an earlier identifier, and who decided that it is sent again. */
export interface PastLife {
  readonly identifier: string;
  readonly state: 'dead' | 'in_doubt';
  readonly reason: string;
  readonly attemptedAtMs?: number;
  readonly attempts: number;
  readonly parkedAtMs: number;
  readonly calls?: readonly CallRecord[];
  readonly decision: Decision;
}

/** What a person (or the consumer, for a meter that is back) decided about an entry, and why. */
export interface Decision {
  readonly by: string;
  readonly why: string;
  readonly atMs: number;
}

/** The end of an entry that had been parked: nothing is done with it any more. It is kept for looking it up. */
export interface ClosedEntry extends Omit<ParkedEntry, 'state'> {
  /** `accepted`: its replay was. `discarded`: it is not to be billed. `billed`: it was in doubt, and the provider has it. */
  readonly state: 'accepted' | 'discarded' | 'billed';
  readonly decision?: Decision;
}

/** How a deferred entry ended. Of a replay that was accepted the record is kept, of any other accepted entry nothing is. */
export type DeferredEnding = 'accepted' | ParkedEntry | (ClosedEntry & { readonly state: 'accepted' });

/** Event ids of one set and slot: 16 bytes each, the first half of SHA-256 over `lane NUL id`. */
export interface SlotIds {
  readonly slot: number;
  readonly bytes: Uint8Array;
}

/** What one commit writes, all or nothing. It never changes once it was first sent (invariant 2). */
export interface SetCommit {
  readonly set: number;
  /** 128 random bits, hex: tells a repetition of this commit from another commit of the same number. */
  readonly token: string;
  readonly entries: readonly Entry[];
  /** Full new value of each cursor that the set touched: key `<slot>/<producer>`, value as `encodeCursor` writes it. */
  readonly cursors: ReadonlyMap<string, string>;
  readonly forgottenCursors: readonly string[];
  readonly ids: readonly SlotIds[];
  /** Sets whose remembered ids are dropped with this commit (invariant 4). */
  readonly forgottenIdSets: readonly number[];
  /**
   * New value of each total that the set touched; strings computed by the actor, scripts do no arithmetic. A field begins with its
   * hour: `<unix seconds>/…`. What the set did not touch stays as it is.
   */
  readonly totals: ReadonlyMap<string, string>;
}

export type CommitAnswer =
  /** Committed now, or this very commit was already there. The time is that of this answer. */
  | { readonly answer: 'ok'; readonly redisMs: number }
  /** `stale`: wrong epoch. `number`: not the journal's next set. `pending`: another set is in flight. */
  | { readonly answer: 'stale' | 'number' | 'pending' };

export type SetAnswer = { readonly answer: 'ok'; readonly redisMs: number } | { readonly answer: 'stale' | 'mismatch' };

export type LeaseAnswer =
  | { readonly answer: 'ok'; readonly redisMs: number }
  | { readonly answer: 'stale'; readonly redisMs: number };

/** Those of the totals that were asked for that there are. */
export type TotalsAnswer =
  | { readonly answer: 'ok'; readonly redisMs: number; readonly totals: ReadonlyMap<string, string> }
  | { readonly answer: 'stale' };

/** `parked`: how many entries of the shard are. `sums`: by key, what may be added to. */
export type SumsAnswer =
  | {
      readonly answer: 'ok';
      readonly redisMs: number;
      readonly parked: number;
      readonly sums: ReadonlyMap<string, ReadRecord>;
    }
  | { readonly answer: 'stale' };

export type PeekAnswer =
  | { readonly answer: 'ok'; readonly redisMs: number; readonly replays: readonly ParkedEntry[] }
  | { readonly answer: 'stale' };

/** `taken`: identifiers of those that are among the deferred entries now. */
export type TakeAnswer =
  | { readonly answer: 'ok'; readonly redisMs: number; readonly taken: readonly string[] }
  | { readonly answer: 'stale' };

/** `replays`: how many replays wait for the shard's owner. */
export type RenewAnswer = LeaseAnswer & { readonly replays: number };

export type ClaimAnswer =
  | { readonly granted: true; readonly epoch: number; readonly next: number; readonly redisMs: number }
  | { readonly granted: false; readonly holder: string; readonly remainingMs: number };

export interface PendingSet {
  readonly set: number;
  readonly token: string;
  readonly entries: readonly Entry[];
  /** Entry index → earliest journaled attempt, Redis time. */
  readonly attemptedAtMs: ReadonlyMap<number, number>;
  /** Entry index → how it ended, as far as progress was written. */
  readonly settled: ReadonlyMap<number, SettledAs>;
  /** How many progress writes of this set the journal holds. */
  readonly progressWrites: number;
}

/** Remembered ids of one set, and when the set settled (absent while it is pending). */
export interface IdSet {
  readonly set: number;
  readonly settledAtMs?: number;
  readonly ids: readonly SlotIds[];
}

/** Everything that the next owner of a shard starts from. */
export interface ShardState {
  readonly redisMs: number;
  readonly next: number;
  readonly pending?: PendingSet;
  readonly deferred: readonly ParkedEntry[];
  readonly cursors: ReadonlyMap<string, string>;
  readonly idSets: readonly IdSet[];
}

export interface ShardJournal {
  /**
   * Takes the lease if it is free, or held by this same owner (whose earlier claim may not have been answered), and bumps the
   * epoch: what was claimed before is stale then.
   */
  claim(owner: string, ttlMs: number): Promise<ClaimAnswer>;
  /** Extends the lease; `stale` when it is no longer held under this epoch, even if nobody else took it. */
  renew(epoch: number, ttlMs: number): Promise<RenewAnswer>;
  /** Gives the lease back, if it is still held under this epoch. */
  release(epoch: number): Promise<void>;
  load(epoch: number): Promise<ShardState | 'stale'>;
  /** The totals of these fields. Nobody loads all of them: they grow for as long as the cluster works. */
  readTotals(epoch: number, fields: readonly string[]): Promise<TotalsAnswer>;
  commit(epoch: number, commit: SetCommit): Promise<CommitAnswer>;
  /**
   * Journals that these entries are about to be attempted for the first time; the earliest time of an entry wins.
   * Like `progress`, it is a `mismatch` once the set is settled.
   */
  mark(epoch: number, set: number, token: string, entries: readonly number[]): Promise<SetAnswer>;
  /**
   * What additions with these keys have added up, as far as it is still parked. A hint: after a month, or when entries were carried
   * to another shard, they begin anew. `atMs`: Redis time, as `parkedAtMs` of the additions that follow.
   */
  readSums(epoch: number, atMs: number, keys: readonly string[]): Promise<SumsAnswer>;
  /**
   * Records how entries of the pending set ended; dead, in doubt and deferred ones are parked, or added up, in the same write. A
   * repetition changes nothing.
   */
  progress(
    epoch: number,
    set: number,
    token: string,
    settled: ReadonlyMap<number, SettledAs>,
    parked: readonly ParkedEntry[],
    additions?: readonly Addition[],
  ): Promise<SetAnswer>;
  /**
   * The pending set is settled: every entry has ended. Repeating it answers the first settlement's time. A `mismatch` too when
   * the journal does not hold as many progress writes as were answered: then Redis has lost one, and with it why entries were
   * parked (invariant 8).
   */
  complete(epoch: number, set: number, token: string, progressWrites: number): Promise<SetAnswer>;
  /**
   * Ends a deferred entry: accepted (removed), or parked as dead or in doubt; a `deferred` one is rewritten. One that is not
   * deferred any more is left as it is.
   */
  settleDeferred(epoch: number, identifier: string, outcome: DeferredEnding): Promise<LeaseAnswer>;
  /** At most so many of the replays that were asked for and not taken yet, in no order. */
  peekReplays(epoch: number, max: number): Promise<PeekAnswer>;
  /**
   * Makes replays deferred entries as they are given here, with the time of their attempt: from then on they are the owner's to
   * call. One that is not there any more, because a person has discarded it since, is left out. Repeated it answers the same.
   */
  takeReplays(epoch: number, replays: readonly ParkedEntry[]): Promise<TakeAnswer>;
}
