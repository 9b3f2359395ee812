import type { Call } from '../dispatch/call.ts';
import type { Drive, Verdict } from './drive.ts';
import type { Item } from './item.ts';
import type { MeterList } from './open-set.ts';
import type { RedisClock } from './redis-clock.ts';
import { replayObstacle } from './replay-obstacle.ts';
import { refusalOf } from './seal.ts';

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
      this.#judge(taken, list),
    );
    if (item === undefined) return undefined;
    this.#underWay++;
    return {
      entry: item.entry,
      isKnownToFail: item.index === undefined,
      meter: list.meters.get(item.entry.meter),
      ended: (outcome, endedAtMs, breakerClosed) => {
        this.#underWay--;
        this.#drive.callEnded(item, outcome, nowMs, endedAtMs, this.#clock.at(endedAtMs), breakerClosed);
      },
    };
  }

  /** Usage may have been counted when nobody could tell what its meter is: that shows only now. */
  #judge({ entry, sinceMs, history }: Item, { meters, askedAtMs }: MeterList): Verdict {
    const meter = meters.get(entry.meter);
    if (meter === undefined && askedAtMs < sinceMs) {
      this.#wantedMeters.add(entry.account ?? '');
      return 'wait';
    }
    const refusal = history === undefined ? refusalOf(entry.meter, meter) : replayObstacle(entry, meters);
    return refusal === undefined ? 'call' : { refusal };
  }

  /** Accounts whose meters have to be read again, since this was last asked. */
  takeWantedMeters(): Iterable<string> {
    const wanted = this.#wantedMeters;
    if (wanted.size > 0) this.#wantedMeters = new Set();
    return wanted;
  }
}
