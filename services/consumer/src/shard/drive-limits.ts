/** How long the drive to the provider goes on with an entry, and how much it may lay aside. Times in ms. */
export interface DriveLimits {
  /** Longest age of an unknown outcome, ms: the provider remembers identifiers for at least 24 h. */
  readonly inDoubtAfterMs: number;
  readonly deferAfterFailures: number;
  /**
   * When so few entries of a set are left and have failed for so long, they are deferred though the provider as a whole is
   * taken for ill: whether it is, only the entries behind them can show. So are those whose lane is locked for so long.
   */
  readonly deferTail: { readonly entries: number; readonly afterMs: number };
  readonly deferredMax: number;
  /**
   * Most deferred entries of all while some belong to closed accounts. Those do not count in the two limits beside this one: an
   * account that the provider does not serve takes the room of nobody else.
   */
  readonly closedMax: number;
  /** Replays are only taken from the journal while fewer entries than this are deferred: the others come first. */
  readonly replaysMax: number;
  readonly deferredRetry: { readonly baseMs: number; readonly maxMs: number };
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
}

export const defaultDriveLimits: DriveLimits = {
  inDoubtAfterMs: 23 * 3_600_000,
  deferAfterFailures: 5,
  deferTail: { entries: 10, afterMs: 300_000 },
  deferredMax: 1000,
  closedMax: 10_000,
  replaysMax: 400,
  deferredRetry: { baseMs: 10_000, maxMs: 600_000 },
  retry: { baseMs: 200, maxMs: 30_000 },
};
