import type {
  Addition,
  ClaimAnswer,
  ClosedEntry,
  CommitAnswer,
  Decision,
  DeferredEnding,
  Entry,
  IdSet,
  LeaseAnswer,
  ParkedEntry,
  PeekAnswer,
  RenewAnswer,
  SetAnswer,
  SetCommit,
  SettledAs,
  ShardJournal,
  ShardState,
  SlotIds,
  SumsAnswer,
  TakeAnswer,
  TotalsAnswer,
} from '../../../../shared/journal/journal.ts';
import {
  type JournalFormat,
  JournalFormatError,
  newestFormat,
  oldestFormat,
} from '../../../../shared/journal/format.ts';
import { closedOf, replayOf } from '../../../../shared/journal/replay.ts';

/**
 * The journal of one shard as the simulation knows it: the same answers as the Redis one (both pass
 * `shared/testing/journal-contract.ts`), written apart from it, in memory and synchronous. Time is whatever the caller
 * says Redis' clock shows. `snapshot` and `restore` let a simulated Redis lose its last writes.
 */

/** Under which claim a writer writes. After lost writes one epoch can have two owners: then only the last one holds it. */
export interface Held {
  readonly epoch: number;
  readonly owner: string;
}

/** What the journal checks before it writes. One switched off is a wrong journal, which the checker must find out. */
export interface Checks {
  /** Writes of anyone but the lease's holder are refused. */
  readonly epoch: boolean;
  /** A commit must carry the next set number. */
  readonly number: boolean;
  /** A commit is refused while another set is pending. */
  readonly pending: boolean;
}

/** Which journal formats a claimer reads (up to this one), and which one the cluster writes as far as it knows. */
export interface Formats {
  readonly reads: JournalFormat;
  readonly writes: JournalFormat;
}

const newest: Formats = { reads: newestFormat, writes: newestFormat };

interface Lease extends Held {
  readonly untilMs: number;
}

interface CommittedSet {
  readonly set: number;
  readonly token: string;
  readonly format: JournalFormat;
  readonly entries: readonly Entry[];
  readonly attemptedAtMs: Map<number, number>;
  readonly settled: Map<number, SettledAs>;
  /** Each progress write, to recognise its repetition by. */
  readonly progress: Set<string>;
  /** Absent while the set is pending. */
  readonly settledAtMs?: number;
}

interface RememberedIds {
  readonly ids: readonly SlotIds[];
  readonly settledAtMs?: number;
}

export interface ModelSnapshot {
  readonly format: JournalFormat | undefined;
  readonly epoch: number;
  readonly next: number;
  readonly lease?: Lease;
  /** The last committed set. */
  readonly last?: CommittedSet;
  readonly cursors: ReadonlyMap<string, string>;
  readonly ids: ReadonlyMap<number, RememberedIds>;
  readonly totals: ReadonlyMap<string, string>;
  readonly deferred: ReadonlyMap<string, ParkedEntry>;
  readonly parked: ReadonlyMap<string, ParkedEntry>;
  readonly replays: ReadonlyMap<string, ParkedEntry>;
  readonly sums: ReadonlyMap<string, string>;
  readonly closed: ReadonlyMap<string, ClosedEntry>;
}

export class ModelShardJournal {
  readonly #checks: Checks;
  /** As the head names it. */
  #format: JournalFormat | undefined;
  #epoch = 0;
  #next = 1;
  #lease: Lease | undefined;
  #last: CommittedSet | undefined;
  #cursors = new Map<string, string>();
  #ids = new Map<number, RememberedIds>();
  #totals = new Map<string, string>();
  #deferred = new Map<string, ParkedEntry>();
  #parked = new Map<string, ParkedEntry>();
  #replays = new Map<string, ParkedEntry>();
  /** By key of what may be added up, the identifier of what has it. */
  #sums = new Map<string, string>();
  #closed = new Map<string, ClosedEntry>();

  constructor(checks: Checks = { epoch: true, number: true, pending: true }) {
    this.#checks = checks;
  }

  get format(): JournalFormat | undefined {
    return this.#format;
  }

  /** Of the last committed set. */
  get setFormat(): JournalFormat {
    return this.#last?.format ?? oldestFormat;
  }

  /** `format`: the claimer does not read this journal. */
  claim(redisMs: number, owner: string, ttlMs: number, { reads, writes } = newest): ClaimAnswer | 'format' {
    const lease = this.#lease;
    if (lease !== undefined && lease.untilMs > redisMs && lease.owner !== owner) {
      return { granted: false, holder: lease.owner, remainingMs: lease.untilMs - redisMs };
    }
    if (this.#format !== undefined && this.#format > reads) return 'format';
    this.#raise(writes);
    this.#epoch++;
    this.#lease = { epoch: this.#epoch, owner, untilMs: redisMs + ttlMs };
    return { granted: true, epoch: this.#epoch, next: this.#next, redisMs };
  }

  renew(redisMs: number, held: Held, ttlMs: number, writes: JournalFormat = newestFormat): RenewAnswer {
    if (!this.#holds(redisMs, held)) return { answer: 'stale', redisMs, replays: 0 };
    this.#raise(writes);
    this.#lease = { epoch: held.epoch, owner: held.owner, untilMs: redisMs + ttlMs };
    return { answer: 'ok', redisMs, replays: this.#replays.size };
  }

  release(redisMs: number, held: Held): void {
    if (this.#holds(redisMs, held)) this.#lease = undefined;
  }

  load(redisMs: number, held: Held): ShardState | 'stale' {
    if (!this.#holds(redisMs, held)) return 'stale';
    const idSets: IdSet[] = [...this.#ids].map(([set, remembered]) => ({ set, ...remembered }));
    const state: ShardState = {
      redisMs,
      next: this.#next,
      deferred: [...this.#deferred.values()],
      cursors: new Map(this.#cursors),
      idSets,
    };
    const last = this.#last;
    if (last === undefined || last.settledAtMs !== undefined) return state;
    const { set, token, entries } = last;
    const attemptedAtMs = new Map(last.attemptedAtMs);
    return {
      ...state,
      pending: {
        set,
        token,
        entries,
        attemptedAtMs,
        settled: new Map(last.settled),
        progressWrites: last.progress.size,
      },
    };
  }

  readTotals(redisMs: number, held: Held, fields: readonly string[]): TotalsAnswer {
    if (!this.#holds(redisMs, held)) return { answer: 'stale' };
    return { answer: 'ok', redisMs, totals: new Map([...this.#totals].filter(([field]) => fields.includes(field))) };
  }

  /** `format`: in which its writer writes it: the head's, as far as it was told. */
  commit(redisMs: number, held: Held, commit: SetCommit, format: JournalFormat = newestFormat): CommitAnswer {
    if (!this.#mayWrite(redisMs, held)) return { answer: 'stale' };
    const last = this.#last;
    if (last?.set === commit.set && last.token === commit.token) return { answer: 'ok', redisMs };
    const inFlight = last !== undefined && last.settledAtMs === undefined;
    if (this.#checks.pending && inFlight) return { answer: 'pending' };
    if (this.#checks.number && commit.set !== this.#next) return { answer: 'number' };

    for (const key of commit.forgottenCursors) this.#cursors.delete(key);
    for (const set of commit.forgottenIdSets) this.#ids.delete(set);
    for (const [key, cursor] of commit.cursors) this.#cursors.set(key, cursor);
    for (const [key, total] of commit.totals) this.#totals.set(key, total);
    if (commit.ids.length > 0) this.#ids.set(commit.set, { ids: commit.ids });
    const { set, token } = commit;
    const entries = format >= 2 ? commit.entries : commit.entries.map(withoutMeterId);
    this.#last = { set, token, format, entries, attemptedAtMs: new Map(), settled: new Map(), progress: new Set() };
    this.#next = set + 1;
    return { answer: 'ok', redisMs };
  }

  mark(redisMs: number, held: Held, set: number, token: string, entries: readonly number[]): SetAnswer {
    const pending = this.#pending(redisMs, held, set, token);
    if (typeof pending === 'string') return { answer: pending };
    for (const index of entries) {
      pending.attemptedAtMs.set(index, Math.min(redisMs, pending.attemptedAtMs.get(index) ?? redisMs));
    }
    return { answer: 'ok', redisMs };
  }

  readSums(redisMs: number, held: Held, keys: readonly string[]): SumsAnswer {
    if (!this.#holds(redisMs, held)) return { answer: 'stale' };
    const found = keys.flatMap((key) => {
      const record = this.#parked.get(this.#sums.get(key) ?? '');
      return record === undefined ? [] : [[key, { record, text: JSON.stringify(record) }] as const];
    });
    return { answer: 'ok', redisMs, parked: this.#parked.size, sums: new Map(found) };
  }

  progress(
    redisMs: number,
    held: Held,
    set: number,
    token: string,
    settled: ReadonlyMap<number, SettledAs>,
    parked: readonly ParkedEntry[],
    additions: readonly Addition[] = [],
    format: JournalFormat = newestFormat,
  ): SetAnswer {
    const pending = this.#pending(redisMs, held, set, token);
    if (typeof pending === 'string') return { answer: pending };
    // A repetition, or a first copy that comes late: by now a deferred entry may have ended.
    const written = JSON.stringify([...settled]);
    if (pending.progress.has(written)) return { answer: 'ok', redisMs };
    pending.progress.add(written);
    for (const [index, state] of settled) pending.settled.set(index, state);
    for (const entry of parked) {
      const place = entry.state === 'deferred' ? this.#deferred : this.#parked;
      place.set(entry.entry.identifier, recordIn(format, entry));
    }
    for (const addition of additions) this.#add(addition);
    return { answer: 'ok', redisMs };
  }

  #add({ key, to, own }: Addition): void {
    const identifier = to?.record.entry.identifier ?? '';
    if (to !== undefined && JSON.stringify(this.#parked.get(identifier)) === to.text) {
      this.#parked.set(identifier, to.sum);
      return;
    }
    this.#parked.set(own.entry.identifier, own);
    this.#sums.set(key, own.entry.identifier);
  }

  complete(redisMs: number, held: Held, set: number, token: string, progressWrites: number): SetAnswer {
    if (!this.#mayWrite(redisMs, held)) return { answer: 'stale' };
    const last = this.#last;
    if (last?.set !== set || last.token !== token) return { answer: 'mismatch' };
    if (last.settledAtMs !== undefined) return { answer: 'ok', redisMs: last.settledAtMs };
    if (last.progress.size !== progressWrites) return { answer: 'mismatch' };
    this.#last = { ...last, settledAtMs: redisMs };
    const remembered = this.#ids.get(set);
    if (remembered !== undefined) this.#ids.set(set, { ids: remembered.ids, settledAtMs: redisMs });
    return { answer: 'ok', redisMs };
  }

  settleDeferred(
    redisMs: number,
    held: Held,
    identifier: string,
    outcome: DeferredEnding,
    format: JournalFormat = newestFormat,
  ): LeaseAnswer {
    if (!this.#mayWrite(redisMs, held)) return { answer: 'stale', redisMs };
    if (!this.#deferred.has(identifier)) return { answer: 'ok', redisMs };
    if (outcome !== 'accepted' && outcome.state === 'deferred') {
      this.#deferred.set(identifier, recordIn(format, outcome));
    } else {
      this.#deferred.delete(identifier);
      if (outcome !== 'accepted') {
        if (outcome.state === 'accepted') this.#closed.set(identifier, recordIn(format, outcome));
        else this.#parked.set(identifier, recordIn(format, outcome));
      }
    }
    return { answer: 'ok', redisMs };
  }

  peekReplays(redisMs: number, held: Held, max: number): PeekAnswer {
    if (!this.#holds(redisMs, held)) return { answer: 'stale' };
    return { answer: 'ok', redisMs, replays: [...this.#replays.values()].slice(0, max) };
  }

  takeReplays(
    redisMs: number,
    held: Held,
    replays: readonly ParkedEntry[],
    format: JournalFormat = newestFormat,
  ): TakeAnswer {
    if (!this.#mayWrite(redisMs, held)) return { answer: 'stale' };
    const taken = replays.flatMap((replay) => {
      const { identifier } = replay.entry;
      if (this.#replays.delete(identifier)) this.#deferred.set(identifier, recordIn(format, replay));
      return this.#deferred.has(identifier) ? [identifier] : [];
    });
    return { answer: 'ok', redisMs, taken };
  }

  /** What a person asks for, without a lease: the replay's identifier, or undefined if there is no such entry to be replayed. */
  replay(identifier: string, decision: Decision): ParkedEntry | undefined {
    const parked = this.#parked.get(identifier);
    const replay = parked === undefined ? undefined : replayOf(parked, decision);
    if (replay === undefined || 'obstacle' in replay) return undefined;
    this.#parked.delete(identifier);
    this.#replays.set(replay.entry.identifier, replay);
    return replay;
  }

  /** A person ends an entry that is parked or waits for its replay. */
  close(identifier: string, state: 'discarded' | 'billed', decision: Decision): boolean {
    const found = this.#parked.get(identifier) ?? this.#replays.get(identifier);
    if (found === undefined) return false;
    this.#parked.delete(identifier);
    this.#replays.delete(identifier);
    this.#closed.set(identifier, closedOf(found, state, decision));
    return true;
  }

  /** Replays that no owner has taken. */
  waiting(): ParkedEntry[] {
    return [...this.#replays.values()];
  }

  closed(): ClosedEntry[] {
    return [...this.#closed.values()];
  }

  /** Entries that are dead or in doubt: nobody sends them again before a person looked. */
  parked(): ParkedEntry[] {
    return [...this.#parked.values()];
  }

  snapshot(): ModelSnapshot {
    return {
      format: this.#format,
      epoch: this.#epoch,
      next: this.#next,
      ...(this.#lease === undefined ? {} : { lease: this.#lease }),
      ...(this.#last === undefined ? {} : { last: copyOf(this.#last) }),
      cursors: new Map(this.#cursors),
      ids: new Map(this.#ids),
      totals: new Map(this.#totals),
      deferred: new Map(this.#deferred),
      parked: new Map(this.#parked),
      replays: new Map(this.#replays),
      sums: new Map(this.#sums),
      closed: new Map(this.#closed),
    };
  }

  /** Redis came back with an older state: every write since the snapshot is gone. */
  restore(snapshot: ModelSnapshot): void {
    this.#format = snapshot.format;
    this.#epoch = snapshot.epoch;
    this.#next = snapshot.next;
    this.#lease = snapshot.lease;
    this.#last = snapshot.last === undefined ? undefined : copyOf(snapshot.last);
    this.#cursors = new Map(snapshot.cursors);
    this.#ids = new Map(snapshot.ids);
    this.#totals = new Map(snapshot.totals);
    this.#deferred = new Map(snapshot.deferred);
    this.#parked = new Map(snapshot.parked);
    this.#replays = new Map(snapshot.replays);
    this.#sums = new Map(snapshot.sums);
    this.#closed = new Map(snapshot.closed);
  }

  #raise(writes: JournalFormat): void {
    if (this.#format === undefined || this.#format < writes) this.#format = writes;
  }

  #holds(redisMs: number, held: Held): boolean {
    const lease = this.#lease;
    return lease !== undefined && lease.untilMs > redisMs && lease.epoch === held.epoch && lease.owner === held.owner;
  }

  #mayWrite(redisMs: number, held: Held): boolean {
    return !this.#checks.epoch || this.#holds(redisMs, held);
  }

  #pending(redisMs: number, held: Held, set: number, token: string): CommittedSet | 'stale' | 'mismatch' {
    if (!this.#mayWrite(redisMs, held)) return 'stale';
    const last = this.#last;
    if (last?.set !== set || last.token !== token || last.settledAtMs !== undefined) return 'mismatch';
    return last;
  }
}

/** As it is read again: format 1 has no meter's id. */
function recordIn<T extends ParkedEntry | ClosedEntry>(format: JournalFormat, record: T): T {
  return format >= 2 ? record : { ...record, entry: withoutMeterId(record.entry) };
}

function withoutMeterId(entry: Entry): Entry {
  const { meterId: _, ...rest } = entry;
  return rest;
}

function copyOf(committed: CommittedSet): CommittedSet {
  return {
    ...committed,
    attemptedAtMs: new Map(committed.attemptedAtMs),
    progress: new Set(committed.progress),
    settled: new Map(committed.settled),
  };
}

/** The model as one consumer sees it, through the same port as the real journal. */
export function modelHandle(
  model: ModelShardJournal,
  now: () => number,
  formats: () => Formats = () => newest,
): ShardJournal {
  let owner = '';
  let format: JournalFormat = newestFormat;
  const told = (): void => {
    format = model.format ?? format;
  };
  const held = (epoch: number) => ({ epoch, owner });
  return {
    claim: async (claimant, ttlMs) => {
      owner = claimant;
      const answer = model.claim(now(), claimant, ttlMs, formats());
      if (answer === 'format') throw new JournalFormatError('The journal of a shard', model.format);
      if (answer.granted) told();
      return answer;
    },
    renew: async (epoch, ttlMs) => {
      const answer = model.renew(now(), held(epoch), ttlMs, formats().writes);
      if (answer.answer === 'ok') told();
      return answer;
    },
    release: async (epoch) => model.release(now(), held(epoch)),
    load: async (epoch) => model.load(now(), held(epoch)),
    readTotals: async (epoch, fields) => model.readTotals(now(), held(epoch), fields),
    readSums: async (epoch, _atMs, keys) => model.readSums(now(), held(epoch), keys),
    commit: async (epoch, commit) => model.commit(now(), held(epoch), commit, format),
    mark: async (epoch, ...rest) => model.mark(now(), held(epoch), ...rest),
    progress: async (epoch, set, by, settled, parked, additions) =>
      model.progress(now(), held(epoch), set, by, settled, parked, additions, format),
    complete: async (epoch, ...rest) => model.complete(now(), held(epoch), ...rest),
    settleDeferred: async (epoch, ...rest) => model.settleDeferred(now(), held(epoch), ...rest, format),
    peekReplays: async (epoch, ...rest) => model.peekReplays(now(), held(epoch), ...rest),
    takeReplays: async (epoch, ...rest) => model.takeReplays(now(), held(epoch), ...rest, format),
  };
}
