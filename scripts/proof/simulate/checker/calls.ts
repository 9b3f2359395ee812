import type { Entry, ParkedEntry, SetCommit } from '../../../../shared/journal/journal.ts';
import type { Held } from '../stores/model-journal.ts';
import type { Process } from '../time/process.ts';
import { laneOf } from './intake.ts';
import type { Report } from './report.ts';
import { setName } from './set-name.ts';

/** An entry as its commit fixed it. */
export interface CommittedEntry {
  readonly entry: Entry;
  readonly shard: number;
  readonly set: number;
  readonly token: string;
  /** Whose commit it was. */
  readonly owner: string;
  /** When its first attempt was journaled, on the timeline. */
  markedAtMs: number | undefined;
  /** Not committed with the set, but derived from what was: the identifier before. */
  readonly replayOf?: string;
  /** A call for it was started. */
  wasSent: boolean;
  /** Redis has lost the commit. */
  isLost: boolean;
}

export interface LostSet {
  readonly name: string;
  readonly set: number;
  readonly entries: readonly CommittedEntry[];
}

export interface WatchedCall {
  readonly lane: string;
  readonly identifier: string;
  readonly shard: number;
  readonly epoch: number;
  readonly process: Process;
  readonly startedAtMs: number;
}

/** Invariants 1, 6, 8 and 10, and the rate: what may be sent to the provider, when, and next to what. */
export class Calls {
  readonly committedEntries = new Map<string, CommittedEntry>();
  readonly #report: Report;
  readonly #ratePerS: number;
  readonly #now: () => number;
  readonly #sets = new Map<string, SetCommit>();
  readonly #open = new Map<string, Set<WatchedCall>>();
  #startedAtMs: number[] = [];
  #windowHead = 0;
  #isTrusted = true;

  constructor(report: Report, ratePerS: number, now: () => number) {
    this.#report = report;
    this.#ratePerS = ratePerS;
    this.#now = now;
  }

  committed(shard: number, commit: SetCommit, owner: string): void {
    const name = `${shard}/${commit.set}`;
    const known = this.#sets.get(name);
    if (known !== undefined) {
      if (known.token !== commit.token) this.#report.violation(`Two sets ${name} were committed (invariant 2).`);
      else if (textOf(known) !== textOf(commit)) {
        this.#report.violation(`The commit of set ${name} was repeated with another content (invariant 2).`);
      }
      return;
    }
    this.#sets.set(name, commit);
    for (const entry of commit.entries) {
      if (entry.identifier.length > 100)
        this.#report.violation(`Identifier ${entry.identifier} is longer than 100 characters.`);
      const known = this.committedEntries.get(entry.identifier);
      if (known?.isLost === true && known.token === commit.token) {
        // A commit without an answer, which Redis took and lost: it was repeated as it was.
        known.isLost = false;
        continue;
      }
      if (known !== undefined) this.#report.violation(`Identifier ${entry.identifier} was given twice.`);
      this.committedEntries.set(entry.identifier, {
        entry,
        shard,
        set: commit.set,
        token: commit.token,
        owner,
        markedAtMs: undefined,
        wasSent: false,
        isLost: false,
      });
    }
  }

  /** A replay is what was committed, under another identifier, and there is one at a time. */
  replayed(shard: number, past: ParkedEntry, replay: ParkedEntry): void {
    const before = this.committedEntries.get(past.entry.identifier);
    const { identifier } = replay.entry;
    if (past.state !== 'dead') this.#report.violation(`${past.entry.identifier} is ${past.state}, and is replayed.`);
    // What was never sent may have been added to since, which the audit compares with what clients sent.
    const isGrown = before?.replayOf === undefined && before?.entry.refusal !== undefined && !before.wasSent;
    const known = isGrown ? past.entry : before?.entry;
    if (known === undefined || textOfEntry(known) !== textOfEntry(replay.entry)) {
      this.#report.violation(`The replay ${identifier} is something else than was committed (invariant 1).`);
    }
    if (this.committedEntries.has(identifier)) this.#report.violation(`Identifier ${identifier} was given twice.`);
    if (identifier.length > 100) this.#report.violation(`Identifier ${identifier} is longer than 100 characters.`);
    const { entry, set } = replay;
    this.committedEntries.set(identifier, {
      entry,
      shard,
      set,
      token: before?.token ?? '',
      owner: before?.owner ?? '',
      markedAtMs: undefined,
      wasSent: false,
      isLost: false,
      replayOf: past.entry.identifier,
    });
  }

  tookReplays(identifiers: readonly string[]): void {
    for (const identifier of identifiers) {
      const replay = this.committedEntries.get(identifier);
      if (replay !== undefined) replay.markedAtMs ??= this.#now();
    }
  }

  /** Of each shard the sets from this number on are gone. */
  forgetFrom(nexts: readonly number[]): LostSet[] {
    this.#isTrusted = false;
    const lost: LostSet[] = [];
    for (const [name, commit] of this.#sets) {
      const shard = Number(name.split('/')[0]);
      if (commit.set < (nexts[shard] ?? 0)) continue;
      this.#sets.delete(name);
      const entries = commit.entries.flatMap(({ identifier }) => this.committedEntries.get(identifier) ?? []);
      for (const entry of entries) entry.isLost = true;
      lost.push({ name: setName(shard, commit.set, commit.token), set: commit.set, entries });
    }
    return lost;
  }

  marked(shard: number, set: number, indices: readonly number[]): void {
    const commit = this.#sets.get(`${shard}/${set}`);
    for (const index of indices) {
      const committed = this.committedEntries.get(commit?.entries[index]?.identifier ?? '');
      if (committed !== undefined) committed.markedAtMs ??= this.#now();
    }
  }

  /** A deferred entry's first attempt is journaled with the entry itself. */
  markedDeferred(identifier: string): void {
    const committed = this.committedEntries.get(identifier);
    if (committed !== undefined) committed.markedAtMs ??= this.#now();
  }

  started(entry: Entry, shard: number, held: Held, process: Process): WatchedCall {
    const nowMs = this.#now();
    const committed = this.committedEntries.get(entry.identifier);
    if (committed === undefined) {
      this.#report.violation(`${entry.identifier} was sent, and is in no committed set (invariant 1).`);
    } else {
      if (committed.entry !== entry && textOfEntry(committed.entry) !== textOfEntry(entry)) {
        this.#report.violation(`${entry.identifier} was sent as something else than was committed (invariant 1).`);
      }
      if (committed.markedAtMs === undefined) {
        this.#report.violation(`${entry.identifier} was sent before its attempt was journaled (invariant 6).`);
      }
    }
    if (committed !== undefined) committed.wasSent = true;
    this.#checkRate(nowMs);
    const lane = laneOf(entry);
    const call = { lane, identifier: entry.identifier, shard, epoch: held.epoch, process, startedAtMs: nowMs };
    const open = this.#open.get(lane) ?? new Set<WatchedCall>();
    for (const other of open) this.#checkAlone(call, other);
    open.add(call);
    this.#open.set(lane, open);
    return call;
  }

  ended(call: WatchedCall): void {
    this.#open.get(call.lane)?.delete(call);
  }

  /** A stale owner is one that slept, and so has not noticed yet; nobody else may have a call under way. */
  #checkAlone(call: WatchedCall, other: WatchedCall): void {
    // After a loss an owner that has not noticed is awake.
    if (!other.process.isAlive || !this.#isTrusted) return;
    if (other.process !== call.process && other.process.hasSleptSince(other.startedAtMs)) return;
    this.#report.violation(
      `Lane ${call.lane} has two calls at a time (invariant 10): ${other.identifier} by ${other.process.name} in epoch ` +
        `${other.epoch}, and ${call.identifier} by ${call.process.name} in epoch ${call.epoch}.`,
    );
  }

  #checkRate(nowMs: number): void {
    this.#startedAtMs.push(nowMs);
    while ((this.#startedAtMs[this.#windowHead] ?? nowMs) <= nowMs - 1000) this.#windowHead++;
    const started = this.#startedAtMs.length - this.#windowHead;
    if (started > Math.ceil(this.#ratePerS * 1.05)) {
      this.#report.violation(`${started} calls were started within a second, the rate is ${this.#ratePerS}.`);
    }
  }
}

function textOf({ entries, cursors, totals, ids }: SetCommit): string {
  const idLengths = ids.map(({ slot, bytes }) => [slot, bytes.length]);
  return JSON.stringify([entries, [...cursors], [...totals], idLengths]);
}

/** Without its meter's id: that is not sent, and a journal of format 1 does not keep it. */
function textOfEntry(entry: Entry): string {
  return JSON.stringify({ ...entry, identifier: '', meterId: undefined });
}
