/** How long the drive to the provider goes on with an entry, and how much it may lay aside. Times in ms. */
export interface DriveLimits {
  /** Longest age of an unknown outcome, ms: the provider remembers identifiers for at least 24 h. */
  readonly inDoubtAfterMs: number;
  readonly deferAfterFailures: number;
  /**
   * What a set has for a lane makes way when the lane has been in trouble for so long and the trouble is its own: it is
   * locked, or another lane of its account was served meanwhile.
   */
  readonly makeWayAfterMs: number;
  /**
   * When only so few lanes of a set are left and all of them have been in trouble for so long, they make way though nothing shows
   * that the provider is well: whether it is, only what is behind them can show.
   */
  readonly deferTail: { readonly lanes: number; readonly afterMs: number };
  /** Most deferred entries of lanes that fail. */
  readonly deferredMax: number;
  /**
   * A lane with as many deferred entries, and no room for another one, takes the room of the others: what it uses then is parked for
   * a person, without a call.
   */
  readonly floodMin: number;
  /**
   * Most deferred entries of all while some belong to closed accounts. Those do not count in the two limits beside this one: an
   * account that the provider does not serve takes the room of nobody else.
   */
  readonly closedMax: number;
  /** Replays are only taken from the journal while fewer entries than this are deferred: the others come first. */
  readonly replaysMax: number;
  /** How far ahead of the provider an entry's time may be, and how far it may be so that waiting for it makes sense. */
  readonly aheadMs: number;
  readonly earlyMaxMs: number;
  readonly deferredRetry: { readonly baseMs: number; readonly maxMs: number };
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
}

export const defaultDriveLimits: DriveLimits = {
  inDoubtAfterMs: 23 * 3_600_000,
  deferAfterFailures: 5,
  makeWayAfterMs: 30_000,
  deferTail: { lanes: 100, afterMs: 300_000 },
  deferredMax: 10_000,
  floodMin: 100,
  closedMax: 10_000,
  replaysMax: 400,
  aheadMs: 300_000,
  earlyMaxMs: 86_400_000,
  deferredRetry: { baseMs: 10_000, maxMs: 600_000 },
  retry: { baseMs: 200, maxMs: 30_000 },
};
