/**
 * How long what goes wrong lasts, and how much there is of it. Committed: short enough to be run with every change.
 * `ACCEPTANCE=full npx vitest run --project acceptance --project timing` is the whole measure, in some twenty minutes.
 */
const isFull = process.env['ACCEPTANCE'] === 'full';

export const durations = isFull
  ? {
      brokerAwayMs: 30_000,
      redisAwayMs: 30_000,
      providerFailsMs: 60_000,
      spool: { brokerAwayMs: 60_000, ratePerS: 5_000, kills: 5 },
      activeKeys: 50_000,
      edge: { consumers: 20, entriesWaiting: 200_000, ratePerS: 1_000, droppedTo: 0.1, flushIntervalMs: 60_000 },
      /** How long a wait may take beyond what it waits for. */
      patienceMs: 300_000,
    }
  : {
      brokerAwayMs: 5_000,
      redisAwayMs: 5_000,
      providerFailsMs: 6_000,
      spool: { brokerAwayMs: 15_000, ratePerS: 2_000, kills: 2 },
      activeKeys: 5_000,
      edge: { consumers: 20, entriesWaiting: 6_000, ratePerS: 300, droppedTo: 0.6, flushIntervalMs: 7_000 },
      patienceMs: 60_000,
    };

/** For `until`, where only whether something happens matters: on a busy machine everything takes its time. */
export const patient = { deadlineMs: durations.patienceMs };

/** Longer than any test: the deadlines of its waits come first, and say what was waited for. */
export const testTimeoutMs = 3 * durations.patienceMs;
