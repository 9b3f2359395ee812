import type { MessageOrigin, UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { IdSet, ShardState } from '../../../../shared/journal/journal.ts';
import { type MeterCatalog, meterOf } from '../meters/meter-list.ts';
import { Demand } from '../windows/demand.ts';
import { Cursors } from './cursors.ts';
import { DedupTable } from './dedup-table.ts';
import { hashId, readIds } from './event-id.ts';
import { OpenSet } from './open-set.ts';

/**
 * Id sets that one commit may forget: Redis drops their ids in the script that commits, and answers nobody else meanwhile. Two days
 * without usage made 43,000 of them.
 */
const forgottenMax = 1_000;

/**
 * What a shard remembers of the past in order to count each event once: cursors of messages, ids of events, and the
 * set that is being counted. Cursors and ids have a committed part, which only a commit extends, and an open part,
 * which dies with the channel (invariants 2 to 5).
 */
export class ShardMemory {
  readonly cursors: Cursors;
  readonly ids = new DedupTable();
  open = new OpenSet();
  /** Sets with remembered ids, oldest first; the time when each settled, Redis time, once it has. */
  readonly #idSets = new Map<number, number | undefined>();
  /** Of the present windows. */
  readonly demand: Demand;
  #windowMs: number;
  readonly #dedupWindowMs: number;
  readonly #dedupMaxIds: number;
  duplicateEvents = 0;
  countedEvents = 0;
  /** Ids forgotten before their time because the table was full. */
  idsForgottenEarly = 0;

  constructor(limits: {
    readonly windowMs: number;
    readonly dedupWindowMs: number;
    readonly dedupMaxIds: number;
    readonly cursorLifeMs?: number;
  }) {
    this.cursors = new Cursors(limits.cursorLifeMs);
    this.#windowMs = limits.windowMs;
    this.demand = new Demand(limits.windowMs);
    this.#dedupWindowMs = limits.dedupWindowMs;
    this.#dedupMaxIds = limits.dedupMaxIds;
  }

  get windowMs(): number {
    return this.#windowMs;
  }

  /** Windows have this length from now on; what was counted before keeps the window it has. */
  changeWindow(windowMs: number, nowMs: number): void {
    this.#windowMs = windowMs;
    this.demand.restart(windowMs, nowMs);
  }

  load(state: ShardState): void {
    this.cursors.load(state.cursors);
    for (const idSet of [...state.idSets].sort((left, right) => left.set - right.set)) this.#loadIds(idSet);
  }

  /** Counts a message that was not seen before; its events enter whole, duplicates leave only the cursor. */
  count(
    origin: MessageOrigin,
    events: readonly UsageEvent[],
    set: number,
    acceptedAtMs: number,
    catalog: MeterCatalog,
    nowMs: number,
  ): void {
    this.cursors.add(origin);
    this.open.takeMessage(acceptedAtMs, nowMs);
    for (const event of events) {
      const lane = this.open.laneOf(event);
      if (event.idGenerated !== true) {
        const id = hashId(lane.name, event.id);
        if (!this.ids.claim(id, set)) {
          this.duplicateEvents++;
          continue;
        }
        this.open.claimed(origin.slot, id);
      }
      this.countedEvents++;
      const meter = meterOf(catalog, event);
      const newKey = this.open.count(event, lane, this.#windowMs, meter, nowMs);
      if (meter?.formula === 'count') this.demand.single(nowMs);
      else if (newKey !== undefined) this.demand.key(newKey, nowMs);
    }
  }

  /** The open set is sealed as number `set`; a new one begins. */
  seal(set: number): OpenSet {
    const sealed = this.open;
    this.open = new OpenSet();
    if (this.ids.countOf(set) > 0) this.#idSets.set(set, undefined);
    return sealed;
  }

  settled(set: number, redisMs: number): void {
    if (this.#idSets.has(set)) this.#idSets.set(set, redisMs);
  }

  /** The channel is gone, and with it everything that was counted but not sealed as number `set`. */
  discardOpen(set: number): void {
    for (const ids of this.open.ids.slots()) for (const id of readIds(ids)) this.ids.remove(id, set);
    this.cursors.discardOpen();
    this.open = new OpenSet();
  }

  /**
   * Sets whose ids may be forgotten when a set is committed whose oldest message was accepted at `oldestAcceptedMs`:
   * settled longer before that than the window (invariant 4), if `isInOrder`; or the oldest ones where the table is full. After a
   * pause as long as the window those are all there are: the rest is for the sets that follow.
   */
  forgettableIdSets(oldestAcceptedMs: number, isInOrder: boolean): number[] {
    const forgettable: number[] = [];
    let kept = this.ids.size;
    for (const [set, settledAtMs] of this.#idSets) {
      if (settledAtMs === undefined || forgettable.length === forgottenMax) break;
      const expired = isInOrder && settledAtMs + this.#dedupWindowMs < oldestAcceptedMs;
      if (!expired && kept <= this.#dedupMaxIds) break;
      if (!expired) this.idsForgottenEarly += this.ids.countOf(set);
      kept -= this.ids.countOf(set);
      forgettable.push(set);
    }
    return forgettable;
  }

  forgetIdSets(sets: readonly number[]): void {
    for (const set of sets) {
      this.ids.forgetThrough(set);
      this.#idSets.delete(set);
    }
  }

  #loadIds(idSet: IdSet): void {
    this.#idSets.set(idSet.set, idSet.settledAtMs);
    for (const ids of idSet.ids) for (const id of readIds(ids)) this.ids.claim(id, idSet.set);
  }
}
