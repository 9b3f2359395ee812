import type { Entry, ClosedEntry, ParkedEntry, SetCommit } from '../../../../shared/journal/journal.ts';
import type { MessageOrigin, UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { Formula } from '../../../../services/consumer/src/provider/provider.ts';
import type { Held, ModelShardJournal, ModelSnapshot } from '../stores/model-journal.ts';
import type { StoredMessage } from '../stores/model-queue.ts';
import type { Process } from '../time/process.ts';
import type { Profile } from '../drawing/profile.ts';
import { checkAccount } from './account.ts';
import { Calls, type WatchedCall } from './calls.ts';
import { Custody } from './custody.ts';
import { Intake, laneOf } from './intake.ts';
import { Losses } from './losses.ts';
import { setName } from './set-name.ts';
import { checkParked } from './parked.ts';
import { RemadeMeters } from './remade.ts';
import { Report } from './report.ts';
import { Standstill } from './standstill.ts';
import { checkTotals } from './totals.ts';

/** What stands in Redis, and its clock. */
interface Journaled {
  readonly journals: readonly ModelShardJournal[];
  readonly nowMs: number;
}

/**
 * Compares what was accepted with what was billed, and watches the invariants while a run goes on. It shares no code with the cores:
 * it knows only what was sent, what stands on the broker, in the journal and at the provider.
 */
export class Checker {
  readonly intake: Intake;
  readonly custody: Custody;
  readonly calls: Calls;
  readonly #report: Report;
  readonly #profile: Profile;
  readonly #now: () => number;
  readonly standstill: Standstill;
  readonly losses = new Losses();
  /** Everything that was ever journaled as dead, in doubt or deferred. */
  readonly #journaled: ParkedEntry[] = [];
  /** They are deferred as well, by lane. */
  readonly #replaysTaken = new Map<string, number>();
  readonly #billed = new Map<string, Entry>();
  readonly #remade: RemadeMeters;

  constructor(profile: Profile, now: () => number, found: () => void) {
    this.#profile = profile;
    this.#now = now;
    this.#report = new Report(found);
    this.#remade = new RemadeMeters(profile, this.#report);
    this.intake = new Intake(this.#report);
    const isTold = (): boolean => this.losses.isToldBy(this.#now() - profile.leaseMs);
    this.custody = new Custody(this.#report, this.losses, isTold, (message) =>
      this.intake.counted(message, this.#now()),
    );
    this.standstill = new Standstill(profile, this.intake, this.#report);
    this.calls = new Calls(this.#report, profile.ratePerS, now);
  }

  get violations(): readonly string[] {
    return this.#report.violations;
  }

  /** Lines of the bill that were compared, and those that had too many events of open outcome for it. */
  get lines(): { readonly checked: number; readonly unchecked: number } {
    return { checked: this.#report.checkedLines, unchecked: this.#report.uncheckedLines };
  }

  violation(sentence: string): void {
    this.#report.violation(sentence);
  }

  sent(events: readonly UsageEvent[]): void {
    for (const event of events) this.intake.sent(event);
  }

  /** Answered with 202. */
  accepted(events: readonly UsageEvent[]): void {
    for (const event of events) this.intake.accepted(event);
  }

  reached(origin: MessageOrigin, body: Buffer, nowMs: number): void {
    this.intake.reached(origin, body, nowMs);
  }

  /** A message is durable in a sidecar's spool. */
  spooled(body: Buffer): void {
    this.intake.spooled(body);
  }

  /** A record was too old to be replayed: it is kept in a file for a person. */
  parkedInSpool(body: Buffer): void {
    this.intake.parkedInSpool(body);
  }

  acked(message: StoredMessage): void {
    if (message.origin === undefined) this.custody.ackedUnreadable(message.shard, message.position);
    else this.custody.ackedUsage(message.origin);
  }

  deadLettered(shard: number, position: number): void {
    this.custody.deadLettered(shard, position);
  }

  committed(shard: number, commit: SetCommit, owner: string): void {
    this.calls.committed(shard, commit, owner);
    this.custody.committed(shard, commit, owner);
  }

  /** The cluster goes over to a newer journal format. */
  formatRaised(hindering: readonly string[]): void {
    for (const member of hindering)
      this.#report.violation(
        `The journals are written in a newer format, and ${member}, which is a member, does not read it.`,
      );
  }

  /** A shard's owner has read its journal. */
  loadedSet(member: string, reads: number, shard: number, format: number): void {
    if (format <= reads) return;
    this.#report.violation(
      `${member} owns shard ${shard}, and does not read its flush set, which is in format ${format}.`,
    );
  }

  marked(shard: number, set: number, entries: readonly number[]): void {
    this.calls.marked(shard, set, entries);
  }

  markedDeferred(identifier: string): void {
    this.calls.markedDeferred(identifier);
  }

  replayed(shard: number, past: ParkedEntry, replay: ParkedEntry): void {
    this.parked([past]);
    this.calls.replayed(shard, past, replay);
  }

  tookReplays(identifiers: readonly string[]): void {
    this.calls.tookReplays(identifiers);
    for (const identifier of identifiers) {
      const lane = laneOf(this.calls.committedEntries.get(identifier)?.entry ?? { customer: '', meter: '' });
      this.#replaysTaken.set(lane, (this.#replaysTaken.get(lane) ?? 0) + 1);
    }
  }

  completed(shard: number, set: number, token: string): void {
    this.custody.completed(setName(shard, set, token));
  }

  callStarted(entry: Entry, shard: number, held: Held, process: Process): WatchedCall {
    return this.calls.started(entry, shard, held, process);
  }

  callEnded(call: WatchedCall): void {
    this.calls.ended(call);
  }

  /** `formula`: of the meter that had the entry's name at that moment. */
  billed(entry: Entry, formula?: Formula): void {
    this.#remade.billed(entry, formula, this.#now());
    if (this.#billed.has(entry.identifier)) this.#report.violation(`${entry.identifier} was billed twice.`);
    if (!this.calls.committedEntries.has(entry.identifier))
      this.#report.violation(`${entry.identifier} was billed, and is in no committed set (invariant 1).`);
    this.#billed.set(entry.identifier, entry);
    this.standstill.billed(entry);
  }

  /** The journal has taken these as dead, in doubt or deferred. */
  journaled(parked: readonly ParkedEntry[]): void {
    this.#journaled.push(...parked);
  }

  parked(parked: readonly ParkedEntry[]): void {
    for (const entry of parked) this.#checkFlood(entry);
    for (const entry of parked)
      checkParked(entry, this.calls.committedEntries, this.intake, this.#profile, this.#now(), this.#report);
  }

  /** Parked without a call because its lane has so many deferred entries already. */
  #checkFlood({ entry, reason }: ParkedEntry): void {
    if (!reason.startsWith('lane_keeps_failing')) return;
    const { floodMin } = this.#profile.drive;
    const lane = laneOf(entry);
    const deferred = this.#journaled.filter((other) => other.state === 'deferred' && laneOf(other.entry) === lane);
    const before = deferred.length + (this.#replaysTaken.get(lane) ?? 0);
    if (before >= floodMin) return;
    this.#report.violation(`${entry.identifier} was parked when ${before} entries of its lane were deferred.`);
  }

  /** As long as Redis loses nothing, the owner's journal never contradicts it: a hand-over would take a second tenure. */
  tenureEnded(member: string, shard: number, reason: string): void {
    if (this.losses.any || (reason !== 'refused' && reason !== 'mismatch')) return;
    this.#report.violation(
      `${member} gave shard ${shard} up because its journal said "${reason}" to its owner (invariant 2).`,
    );
  }

  /** A request has had no answer for longer than it may take, from a sidecar that ran all the time. */
  unanswered(request: string, member: string): void {
    this.#report.violation(`${request} got no answer from ${member}, which ran all the time (contract 3.1).`);
  }

  halted(member: string, reason: string): void {
    this.losses.noticed(this.#now());
    if (!this.losses.any) this.#report.violation(`${member} halted although Redis lost nothing: ${reason}.`);
  }

  /** Redis came back with these older journals. */
  lostWrites(journals: readonly ModelSnapshot[]): void {
    const lost = this.calls.forgetFrom(journals.map(({ next }) => next));
    this.losses.lost(lost);
    const kept = new Map(journals.flatMap(({ parked, deferred }) => [...parked, ...deferred]));
    // Of a sum what was added last may be gone.
    for (const { entry } of this.#journaled)
      if ((kept.get(entry.identifier)?.entry.events ?? -1) < entry.events)
        this.losses.gone(entry.identifier, laneOf(entry));
    this.custody.lost(lost);
  }

  /** A person has run `tallyman recover`. */
  recovered(): void {
    this.losses.recovered();
  }

  /** A member says that it has given everything back, and every claim and release of it was answered. */
  finished(member: string, redis: Journaled): void {
    if (this.losses.any) return;
    redis.journals.forEach((journal, shard) => {
      const { lease } = journal.snapshot();
      if (lease?.owner === member && lease.untilMs > redis.nowMs) {
        this.#report.violation(`${member} left, and still holds the lease of shard ${shard} (invariant 7).`);
      }
    });
  }

  /** The audit, when nothing more happens. */
  finish(redis: Journaled): void {
    const parked = new Map<string, ParkedEntry | ClosedEntry>();
    for (const journal of redis.journals) {
      const { deferred, replays } = journal.snapshot();
      for (const entry of [...journal.parked(), ...deferred.values(), ...replays.values(), ...journal.closed()])
        parked.set(entry.entry.identifier, entry);
    }
    const committed = this.calls.committedEntries;
    for (const identity of this.intake.identities.values()) {
      // Some of its messages may be lost: those that were never confirmed.
      if (
        !identity.accepted ||
        identity.isParkedInSpool ||
        [...identity.messages].some(({ name }) => this.custody.isSettled(name))
      )
        continue;
      this.#report.violation(
        `Event ${identity.event.id} was answered 202, and is neither on the broker nor in a settled set.`,
      );
    }
    const { windowMs, windowMaxMs, meters, clockSkewMs } = this.#profile;
    // A sidecar's clock that is ahead shortens it, while there is a backlog: it is not believed beyond the time of counting.
    const dedupWindowMs = this.#profile.dedupWindowMs - Math.min(clockSkewMs, this.intake.longestWaitMs);
    const lastMeters = new Set(meters.flatMap(({ meter }) => (meter.formula === 'last' ? [meter.eventName] : [])));
    const identities = this.intake.identities.values();
    const { losses } = this;
    const billed = this.#billed;
    const remade = this.#remade;
    checkAccount(
      { identities, committed, billed, parked, windowMs, windowMaxMs, dedupWindowMs, lastMeters, remade, losses },
      this.#report,
    );
    if (!losses.any) checkTotals(redis.journals, committed.values(), lastMeters, remade.names, this.#report);
  }
}
