import type { MessageOrigin, UsageEvent } from '../../../../../shared/event/usage-event.ts';
import type { ShardState } from '../../../../../shared/journal/journal.ts';
import type { MeterCatalog } from '../../meters/meter-list.ts';
import type { JournalAnswer, JournalWrite } from '../../sending/write.ts';
import { ShardCore } from '../core.ts';
import type { EndReason, ShardEffect, ShardEvent } from '../protocol.ts';
import type { ShardLimits } from '../shard-limits.ts';
import {
  noSums,
  ok,
  origin,
  outcomes,
  requestsCatalog,
  shardLimits,
  shardState,
  startRedisMs,
  steadyRandom,
  totalsAre,
  usageEvent,
  usageMessage,
} from './fixtures.ts';

interface Said {
  readonly limits?: Partial<ShardLimits>;
  readonly catalog?: MeterCatalog;
  /** When the lease ends; a day ahead unless the test is about it. */
  readonly deadlineMs?: number;
}

interface SaidDelivery extends Partial<MessageOrigin> {
  readonly generation?: number;
  readonly events?: readonly UsageEvent[];
  readonly receivedAtMs?: number;
}

/** A shard's core with everything round it that a test does not care about: clock, channel, tags, a journal that says yes. */
export class TestShard {
  readonly core: ShardCore;
  nowMs = 0;
  /** Of the channel that was asked for last. */
  generation = 0;
  /** Acked on the channel that is open. */
  acked = 0;
  endedAs: EndReason | undefined;
  /** The write under way. */
  write: JournalWrite | undefined;
  /** Reads of totals wait for the test; else there are none, and that is answered at once. So it is with sums of refused entries. */
  holdsTotals = false;
  readonly writes: JournalWrite[] = [];
  /** Accounts whose list of meters is wanted. */
  readonly wantedLists = new Set<string>();
  #tag = 0;

  constructor({ limits = {}, catalog = requestsCatalog, deadlineMs = 86_400_000 }: Said = {}) {
    this.core = new ShardCore(shardLimits(limits), deadlineMs, catalog, steadyRandom());
  }

  /** Loaded, with an open channel. */
  static open(said: Said & { readonly state?: ShardState } = {}): TestShard {
    const shard = new TestShard(said);
    shard.step({ type: 'loaded', state: said.state ?? shardState(), askedAtMs: 0 });
    shard.openChannel();
    return shard;
  }

  step(event: ShardEvent): readonly ShardEffect[] {
    const effects = this.core.step(event, this.nowMs);
    for (const effect of effects) {
      if (effect.type === 'open_channel') this.generation = effect.generation;
      if (effect.type === 'ack') this.acked = effect.tag;
      if (effect.type === 'ended') this.endedAs = effect.reason;
      if (effect.type === 'need_catalog') this.wantedLists.add(effect.account);
      if (effect.type !== 'write') continue;
      const { kind } = effect.write;
      if ((kind === 'read_totals' && !this.holdsTotals) || kind === 'read_sums') {
        const answer = kind === 'read_sums' ? noSums(this.nowMs) : totalsAre(new Map(), this.nowMs);
        return [...effects.filter((other) => other !== effect), ...this.step({ type: 'written', answer })];
      }
      if (this.write !== undefined) throw new Error('A second write began while one was under way.');
      this.write = effect.write;
      this.writes.push(effect.write);
    }
    return effects;
  }

  openChannel(): void {
    this.#tag = 0;
    this.acked = 0;
    this.step({ type: 'channel_opened', generation: this.generation });
  }

  /** The channel is lost and another one opened. */
  reopenChannel(): void {
    this.step({ type: 'channel_lost', generation: this.generation });
    this.openChannel();
  }

  /** Delivers a message, with one event of its own unless said otherwise. Returns its tag. */
  deliver(sequence: number, { generation, events, receivedAtMs, ...said }: SaidDelivery = {}): number {
    this.step({
      type: 'delivered',
      generation: generation ?? this.generation,
      tag: ++this.#tag,
      origin: origin(sequence, said),
      message: usageMessage(
        events ?? [usageEvent({ id: `event-${said.producer ?? ''}-${sequence}` })],
        receivedAtMs ?? startRedisMs + this.nowMs,
      ),
    });
    return this.#tag;
  }

  deliverUnreadable(): number {
    this.step({ type: 'unreadable', generation: this.generation, tag: ++this.#tag });
    return this.#tag;
  }

  tick(laterMs = 0): readonly ShardEffect[] {
    this.nowMs += laterMs;
    return this.step({ type: 'ticked' });
  }

  answer(answer: JournalAnswer = ok(this.nowMs)): readonly ShardEffect[] {
    if (this.write === undefined) throw new Error('No write is under way.');
    this.write = undefined;
    return this.step({ type: 'written', answer });
  }

  noAnswer(): readonly ShardEffect[] {
    if (this.write === undefined) throw new Error('No write is under way.');
    this.write = undefined;
    return this.step({ type: 'written', answer: undefined });
  }

  /** Seals what is open by its age and gets it committed. */
  commit(): void {
    this.tick(300_000);
    if (this.write?.kind !== 'commit')
      throw new Error(`Instead of a commit it writes: ${this.write?.kind ?? 'nothing'}.`);
    this.answer();
  }

  /** Answers every write and accepts every call, until nothing follows from that. */
  settle(): void {
    for (;;) {
      const call = this.core.takeCall(this.nowMs);
      call?.ended(outcomes.accepted, this.nowMs, true);
      this.tick();
      if (this.write !== undefined) this.answer();
      else if (call === undefined) return;
    }
  }

  kinds(): string[] {
    return this.writes.map(({ kind }) => kind);
  }
}

export function typesOf(effects: readonly ShardEffect[]): string[] {
  return effects.map(({ type }) => type);
}

/** A shard whose set of one entry per customer is committed; its mark is under way. */
export function driving(customers: number, deadlineMs = 3_600_000): TestShard {
  const shard = TestShard.open({ deadlineMs, limits: { flushEvents: customers } });
  const events = Array.from({ length: customers }, (_, customer) => usageEvent({ customer: `cus_${customer}` }));
  shard.deliver(1, { events });
  shard.tick();
  shard.answer();
  return shard;
}

/** The same with calls that may start. */
export function marked(customers: number, deadlineMs?: number): TestShard {
  const shard = driving(customers, deadlineMs);
  shard.answer();
  return shard;
}
