import type { Drive } from './drive.ts';
import type { RedisClock } from './redis-clock.ts';
import type { RequestedReplays } from './requested-replays.ts';
import { newWrite, type Write } from './write.ts';

/**
 * What the journal has to be told of the entries that it keeps beside the pending set: ends of deferred ones, their first
 * attempts, and last the replays that are to be taken in.
 */
export class DeferredWrites {
  readonly #drive: Drive;
  readonly #replays: RequestedReplays;
  readonly #clock: RedisClock;

  constructor(drive: Drive, replays: RequestedReplays, clock: RedisClock) {
    this.#drive = drive;
    this.#replays = replays;
    this.#clock = clock;
  }

  /** The next of these writes, if any; without `goingOn` only what has ended is told. */
  next(nowMs: number, goingOn: boolean): Write | undefined {
    return this.#chooseDeferredWrite(nowMs, goingOn) ?? (goingOn ? this.#chooseReplayWrite() : undefined);
  }

  #chooseReplayWrite(): Write | undefined {
    const asked = this.#replays.next(this.#drive.deferred.roomForReplays);
    if (asked === undefined) return undefined;
    return newWrite(asked, (_redisMs, answeredAtMs, answer) => {
      for (const item of this.#replays.answered(answer)) this.#drive.addReplay(item, answeredAtMs);
    });
  }

  #chooseDeferredWrite(nowMs: number, goingOn: boolean): Write | undefined {
    const end = this.#drive.deferred.peekEnd();
    if (end !== undefined) {
      const { entry, outcome } = end;
      return newWrite({ kind: 'settle_deferred', identifier: entry.identifier, outcome }, () =>
        this.#drive.deferred.endWritten(),
      );
    }
    const unmarked = goingOn ? this.#drive.takeUnmarkedDeferred(this.#clock.at(nowMs)) : undefined;
    if (unmarked === undefined) return undefined;
    const { item, parked } = unmarked;
    return newWrite(
      { kind: 'settle_deferred', identifier: item.entry.identifier, outcome: parked },
      (redisMs, atMs) => {
        item.parked = parked;
        this.#drive.lanes.marked([item], redisMs, atMs);
      },
    );
  }
}
