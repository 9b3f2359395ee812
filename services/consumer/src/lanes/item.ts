import type {
  CallRecord,
  ClosedEntry,
  Entry,
  ParkedEntry,
  PastLife,
  PendingSet,
} from '../../../../shared/journal/journal.ts';

/** An entry on its way to the provider. Times are monotonic unless they say Redis. */
export interface Item {
  readonly entry: Entry;
  /** The set it came from. */
  readonly set: number;
  /** Its place in the pending set; undefined for an entry that the journal keeps as deferred. */
  readonly index: number | undefined;
  /** When this owner took it in hand. */
  sinceMs: number;
  /** Its attempt is journaled, so it may be called. */
  marked: boolean;
  /** First journaled attempt, Redis time. */
  attemptedAtMs: number | undefined;
  /** Start of the first attempt whose outcome is not known. */
  unresolvedSinceMs: number | undefined;
  /** Only of a replay: what became of it before. */
  readonly history: readonly PastLife[] | undefined;
  /** Calls of this owner; of an entry outside of its set also those before it was deferred. */
  attempts: number;
  /** The newest calls that did not end it; absent before the first. */
  calls: readonly CallRecord[] | undefined;
  retries: number;
  /** Failures that were the entry's own. */
  failures: number;
  /** Its time is ahead of the provider's clock: it is not called before `readyAtMs`, and its lane is well. */
  isEarly: boolean;
  readyAtMs: number;
  /** A newer list of meters has to come before it is called, or refused. */
  needsList: boolean;
  /** Its set is done with it. */
  hasEnded: boolean;
  /** Its call is under way. */
  isBusy: boolean;
  /** It has ended without having been called last: where it still stands in line it is passed over. */
  isGone: boolean;
  /** As the journal keeps it, if it is deferred. */
  parked: ParkedEntry | undefined;
}

export function newItem(entry: Entry, set: number, index: number | undefined): Item {
  return {
    entry,
    set,
    index,
    sinceMs: Number.POSITIVE_INFINITY,
    marked: false,
    attemptedAtMs: undefined,
    unresolvedSinceMs: undefined,
    history: undefined,
    attempts: 0,
    calls: undefined,
    retries: 0,
    failures: 0,
    isEarly: false,
    readyAtMs: Number.NEGATIVE_INFINITY,
    needsList: false,
    hasEnded: false,
    isBusy: false,
    isGone: false,
    parked: undefined,
  };
}

/** Those entries of the pending set that have not settled. `since`: on the own clock, for an attempt at this Redis time. */
export function pendingItems(pending: PendingSet, since: (attemptedAtMs: number) => number): Item[] {
  return pending.entries.flatMap((entry, index) => {
    if (pending.settled.has(index)) return [];
    const item = newItem(entry, pending.set, index);
    const attemptedAtMs = pending.attemptedAtMs.get(index);
    if (attemptedAtMs !== undefined) {
      item.marked = true;
      item.attemptedAtMs = attemptedAtMs;
      item.unresolvedSinceMs = since(attemptedAtMs);
    }
    return [item];
  });
}

/** An entry that the journal keeps outside of its set. Its attempt is journaled if it says so. */
export function deferredItem(parked: ParkedEntry, attemptedAtMs: number | undefined): Item {
  const { entry, set, attempts, calls, history } = parked;
  const marked = attemptedAtMs !== undefined;
  return { ...newItem(entry, set, undefined), marked, attemptedAtMs, attempts, calls, history, parked };
}

/** The entry as the journal keeps it outside of its set: in which state, and why. */
export function recordOf<State extends (ParkedEntry | ClosedEntry)['state']>(
  { entry, attemptedAtMs, attempts, set, calls, history }: Item,
  state: State,
  reason: string,
  redisMs: number,
) {
  return {
    entry,
    state,
    reason,
    ...(attemptedAtMs === undefined ? {} : { attemptedAtMs }),
    attempts,
    parkedAtMs: redisMs,
    set,
    ...(calls === undefined ? {} : { calls }),
    ...(history === undefined ? {} : { history }),
  };
}
