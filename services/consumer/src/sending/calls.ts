import type { Call } from '../dispatch/call.ts';
import type { Item } from '../lanes/item.ts';
import type { MeterList } from '../meters/meter-list.ts';
import type { Drive } from './drive.ts';
import type { RedisClock } from './redis-clock.ts';
import { type Verdict, verdictOf } from './verdict.ts';

/** The calls that a shard's drive has for the dispatcher. None is given for an entry that its meter could not take. */
export class ShardCalls {
  readonly #drive: Drive;
  readonly #clock: RedisClock;
  #underWay = 0;
  #wantedMeters = new Set<string>();

  constructor(drive: Drive, clock: RedisClock) {
    this.#drive = drive;
    this.#clock = clock;
  }

  /** Calls that could start, by account. */
  get armed(): ReadonlyMap<string, number> {
    return this.#drive.lanes.armed;
  }

  get underWay(): number {
    return this.#underWay;
  }

  take(nowMs: number, account: string, list: MeterList, onlyFresh = false): Call | undefined {
    const item = this.#drive.take(nowMs, this.#clock.at(nowMs), account, onlyFresh, (taken) =>
      this.#judge(taken, list, nowMs),
    );
    if (item === undefined) return undefined;
    this.#underWay++;
    return {
      entry: item.entry,
      isKnownToFail: this.#drive.deferred.isInLaneOf(item),
      meter: list.meters.get(item.entry.meter),
      ended: (outcome, endedAtMs, breakerClosed) => {
        this.#underWay--;
        // It may be for its meter: archived, or made anew.
        if (outcome.kind === 'refused') this.#wantMeters(item);
        this.#drive.callEnded(item, outcome, nowMs, endedAtMs, this.#clock.at(endedAtMs), breakerClosed);
      },
    };
  }

  /** Usage may have been counted when nobody could tell what its meter is, or for another one: that shows only now. */
  #judge(item: Item, list: MeterList, nowMs: number): Verdict {
    const verdict = verdictOf(item, list, nowMs);
    if (verdict === 'wait') this.#wantMeters(item);
    return verdict;
  }

  #wantMeters({ entry: { account = '' } }: Item): void {
    this.#wantedMeters.add(account);
  }

  /** Accounts whose meters have to be read again, since this was last asked. */
  takeWantedMeters(): Iterable<string> {
    const wanted = this.#wantedMeters;
    if (wanted.size > 0) this.#wantedMeters = new Set();
    return wanted;
  }
}
