import {
  unusedRate,
  fullSpacingUs,
  leaseAtPace,
  patient,
  precise,
  type RateState,
  type ThrottleReport,
  throttle,
} from '../../../../shared/limiter/pace.ts';
import { type JournalFormat, newestFormat, oldestFormat } from '../../../../shared/journal/format.ts';
import type { SlotAnswer } from '../../../../shared/limiter/slots.ts';
import { type ModelSnapshot, ModelShardJournal } from '../stores/model-journal.ts';
import type { World } from './world.ts';

interface Membership {
  readonly untilMs: number;
  /** The first version does not say it: it reads the oldest only. */
  readonly reads: JournalFormat | undefined;
}

export interface HeartbeatAnswer {
  readonly members: string[];
  readonly incarnation: string | undefined;
  readonly format: JournalFormat;
}

/** A client, as far as Redis can reach it. */
interface ConnectedClient {
  cut(mode: 'lost'): void;
}

/** Redis: the journals, the members' heartbeats and the limiter's slots, each request one atomic step on its own clock. */
export class ModelRedis {
  readonly journals: readonly ModelShardJournal[];
  readonly clients = new Set<ConnectedClient>();
  /** An owner has read what it is about to add to. */
  sumsRead: (() => void) | undefined;
  readonly #world: World;
  readonly #members = new Map<string, Membership>();
  /** By account; the platform's own has no name. */
  readonly #rates = new Map<string, RateState>();
  #isUp = true;
  /** Part of the topology's record; undefined when that is lost, or not to be trusted. */
  #incarnation: string | undefined;
  /** In which the cluster writes its journals, in the same record. */
  #format: JournalFormat;
  /** Since when every member has read a newer one. */
  #formatReadSinceMs: number | undefined;
  /** Older states, oldest first, as far as this run may lose writes. */
  #history: { readonly atMs: number; readonly journals: readonly ModelSnapshot[] }[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#incarnation = world.profile.incarnation;
    this.#format = world.profile.formatSwitchMs === undefined ? newestFormat : oldestFormat;
    if (world.profile.faults.redis_loses_writes !== undefined) this.#remember();
    this.journals = Array.from({ length: world.profile.shards }, () => new ModelShardJournal());
  }

  /** Its clock, unix milliseconds. */
  get nowMs(): number {
    return this.#world.profile.epochMs + Math.floor(this.#world.timeline.nowMs);
  }

  get incarnation(): string | undefined {
    return this.#incarnation;
  }

  get format(): JournalFormat {
    return this.#format;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  journal(shard: number): ModelShardJournal {
    const journal = this.journals[shard];
    if (journal === undefined) throw new Error(`There is no shard ${shard}.`);
    return journal;
  }

  /** `reads`: the newest journal format that the member says it reads; the first version says nothing. */
  heartbeat(member: string, ttlMs: number, reads: JournalFormat | undefined): HeartbeatAnswer {
    this.#dropLateMembers();
    const isFirst = this.#members.size === 0;
    this.#members.set(member, { untilMs: this.nowMs + ttlMs, reads });
    // The first version's script knows nothing of formats.
    if (reads !== undefined) this.#lookAtFormats(isFirst);
    const members = [...this.#members].flatMap(([name, one]) =>
      (one.reads ?? oldestFormat) >= this.#format ? [name] : [],
    );
    return {
      members: reads === undefined ? [...this.#members.keys()] : members,
      incarnation: this.#incarnation,
      format: this.#format,
    };
  }

  #lookAtFormats(isFirst: boolean): void {
    const { profile, checker, tally } = this.#world;
    const read = Math.min(...[...this.#members.values()].map(({ reads }) => reads ?? oldestFormat));
    if (this.#incarnation === undefined || this.#format >= read) {
      this.#formatReadSinceMs = undefined;
    } else if (isFirst || this.#formatReadSinceMs === undefined) {
      this.#formatReadSinceMs = this.nowMs;
    } else if (this.nowMs - this.#formatReadSinceMs >= (profile.formatSwitchMs ?? 0)) {
      this.#format = newestFormat;
      tally.add('journal format raised');
      const hindering = [...this.#members].flatMap(([name, { reads }]) =>
        (reads ?? oldestFormat) < this.#format ? [name] : [],
      );
      checker.formatRaised(hindering);
    }
  }

  withdraw(member: string): readonly string[] {
    this.#members.delete(member);
    this.#dropLateMembers();
    return [...this.#members.keys()];
  }

  #dropLateMembers(): void {
    for (const [name, { untilMs }] of this.#members) if (untilMs <= this.nowMs) this.#members.delete(name);
  }

  slots(account: string, wanted: number): { readonly answer: SlotAnswer; readonly spacingUs: number } {
    const { ratePerS, connectedRatePerS } = this.#world.profile;
    const full = account === '' ? fullSpacingUs(ratePerS, precise) : fullSpacingUs(connectedRatePerS, patient);
    const step = leaseAtPace(this.#rates.get(account) ?? unusedRate, Math.floor(this.#clockUs()), wanted, full);
    this.#rates.set(account, step.state);
    return step;
  }

  throttled(account: string, report: ThrottleReport): void {
    this.#rates.set(account, throttle(this.#rates.get(account) ?? unusedRate, Math.floor(this.#clockUs()), report));
  }

  /** A member has found that writes are lost: nobody goes on until a person has looked. */
  distrust(incarnation: string): void {
    if (this.#incarnation === incarnation) this.#incarnation = undefined;
  }

  /** `tallyman recover`. */
  recover(incarnation: string): void {
    this.#incarnation = incarnation;
    this.#world.checker.recovered();
  }

  loseWritesSince(atMs: number): void {
    const kept = this.#history.findLast((state) => state.atMs <= atMs) ?? this.#history[0];
    if (kept === undefined) return;
    // What is lost does not come back with the next loss.
    this.#history = this.#history.filter((state) => state.atMs <= kept.atMs);
    kept.journals.forEach((snapshot, shard) => this.journals[shard]?.restore(snapshot));
    this.#world.checker.lostWrites(this.journals.map((journal) => journal.snapshot()));
  }

  loseEverything(): void {
    const empty = new ModelShardJournal().snapshot();
    this.#history = [];
    for (const journal of this.journals) journal.restore(empty);
    this.#members.clear();
    this.#incarnation = undefined;
    this.#world.checker.lostWrites(this.journals.map((journal) => journal.snapshot()));
  }

  #remember(): void {
    const { timeline, profile } = this.#world;
    const everyMs = profile.leaseMs / 20;
    timeline.after(everyMs, () => {
      if (timeline.nowMs >= profile.activeMs) return;
      this.#history.push({ atMs: timeline.nowMs, journals: this.journals.map((journal) => journal.snapshot()) });
      if (this.#history.length > 40) this.#history.shift();
      this.#remember();
    });
  }

  stop(): void {
    this.#isUp = false;
    for (const client of this.clients) client.cut('lost');
  }

  start(): void {
    this.#isUp = true;
  }

  #clockUs(): number {
    return (this.#world.profile.epochMs + this.#world.timeline.nowMs) * 1000;
  }
}
