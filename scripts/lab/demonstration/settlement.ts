import { setTimeout as sleep } from 'node:timers/promises';
import { audit, fetchLedger, type Ledger, type Verdict } from '../audit.ts';
import type { Sent } from '../load/load.ts';
import type { Progress } from '../load/part.ts';
import type { Observer, Snapshot } from './observer.ts';

export interface Settlement {
  readonly ledger: Ledger;
  readonly verdict: Verdict;
}

const lookEveryMs = 500;
/** Settled looks in a row before the ledger is believed: a shard that moves has for a moment nothing and no owner. */
const settledLooks = 3;
/** So long a cluster that has settled may still differ: its metrics and the ledger are not read at one moment. */
const differenceMaxMs = 15_000;
/** So long nothing at all may happen. Longer than a takeover and the longest backoff of a call. */
const standstillMaxMs = 120_000;

/**
 * Waits until everything that was answered 202 is billed. Ends as well, with whatever the audit then finds, when the
 * cluster says that it has settled and the ledger still differs, or when nothing moves any more.
 */
export async function awaitSettlement(
  observer: Observer,
  { base, sent, progress }: { readonly base: string; readonly sent: Sent; readonly progress: Progress },
  show: (snapshot: Snapshot) => Promise<void>,
): Promise<Settlement> {
  let settled = 0;
  let differsSince: number | undefined;
  let movedAt = observer.elapsedMs;
  let before: Snapshot | undefined;
  for (;;) {
    const snapshot = await observer.look(progress);
    await show(snapshot);
    if (snapshot.meterEvents !== before?.meterEvents || snapshot.billed !== before.billed) movedAt = observer.elapsedMs;
    before = snapshot;
    settled = snapshot.isSettled ? settled + 1 : 0;
    const standsStill = observer.elapsedMs - movedAt > standstillMaxMs;
    if (settled >= settledLooks || standsStill) {
      const settlement = await settle(base, sent);
      differsSince ??= observer.elapsedMs;
      const hasWaited = observer.elapsedMs - differsSince > differenceMaxMs;
      if (settlement.verdict.differences.length === 0 || hasWaited || standsStill) return settlement;
    } else {
      differsSince = undefined;
    }
    await sleep(lookEveryMs);
  }
}

/** Reads the ledger as it is now, and compares. */
export async function settle(base: string, sent: Sent): Promise<Settlement> {
  const ledger = await fetchLedger(base, true);
  return { ledger, verdict: audit(sent.owed(), ledger) };
}
