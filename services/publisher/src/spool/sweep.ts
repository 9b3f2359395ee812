import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import type { Logger } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { messageOf } from '../../../../shared/network/fault.ts';
import { type DrainOptions, SpoolDrain } from './drain.ts';
import { isMissing, isParkedName, segmentNumber } from './files.ts';
import { isLocked, lockFolder } from './lock.ts';
import { type FolderSeen, SweepCore, type SweepLimits } from './sweep-core.ts';

export interface SweepOptions extends Pick<DrainOptions, 'readUrl' | 'ca' | 'exchange' | 'log'> {
  /** Holds the folders of the spools. */
  readonly parent: string;
  readonly limits?: SweepLimits;
  readonly lookEveryMs?: number;
}

const defaultLookEveryMs = 10_000;
/** A broker that takes nothing for so long is asked again at a later look, when other spools have had their turn. */
const patienceMs = 60_000;
const pollMs = 100;
const unseenReason = 'spools_unseen';

/**
 * Publishes what sidecars have left behind: for a folder of spools on a node whose pods come and go. One at a time, oldest
 * message first, as the sidecars would have done it. Goes on until `signal` is aborted; never rejects.
 */
export async function sweepSpools(options: SweepOptions, signal: AbortSignal): Promise<void> {
  const { parent, log, limits, lookEveryMs = defaultLookEveryMs } = options;
  const core = new SweepCore(limits);
  const troubles = new Troubles(log);
  log.info({ parent }, 'Watching the spools in this folder.');
  while (!signal.aborted) {
    try {
      const seen = await Promise.all((await foldersIn(parent)).map((name) => look(parent, name)));
      for (const [name, verdict] of core.judge(seen, performance.now())) {
        if (signal.aborted) break;
        if (verdict === 'empty') await empty(join(parent, name), options, signal);
        if (verdict === 'remove') await remove(parent, name, log);
      }
      troubles.over(unseenReason, 'The spools can be looked at again.');
    } catch (error) {
      troubles.tell({
        reason: unseenReason,
        level: 'error',
        message:
          'The spools cannot be looked at; what is in them stays there, unbilled. Check the folder and its permissions; it is tried again.',
        fields: { cause: messageOf(error), parent },
      });
    }
    await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

async function foldersIn(parent: string): Promise<readonly string[]> {
  const entries = await readdir(parent, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function look(parent: string, name: string): Promise<FolderSeen> {
  const folder = join(parent, name);
  try {
    const files = await readdir(folder);
    return {
      name,
      isLocked: await isLocked(folder),
      hasSegments: files.some((file) => segmentNumber(file) !== undefined),
      hasParked: files.some(isParkedName),
    };
  } catch (error) {
    if (!isMissing(error)) throw error;
    return { name, isLocked: false, hasSegments: false, hasParked: false };
  }
}

async function empty(folder: string, { readUrl, ca, exchange, log }: SweepOptions, signal: AbortSignal): Promise<void> {
  const draining = new SpoolDrain({ folder, readUrl, ca, exchange, registry: new Registry(), log });
  await draining.start();
  try {
    const { records } = draining;
    if (draining.state !== 'locked' && (await isEmptied(draining, signal)))
      log.info({ folder, records }, 'The messages that a sidecar had left are with the broker.');
    else if (!signal.aborted)
      log.warn(
        { folder, records: draining.records, state: draining.state },
        'A spool that no sidecar has could not be emptied: the broker takes nothing, or the folder cannot be used. Its messages are kept; it is tried again.',
      );
  } finally {
    await draining.stop();
  }
}

/** False if nothing was confirmed for too long. */
async function isEmptied(draining: SpoolDrain, signal: AbortSignal): Promise<boolean> {
  let [left, movedAtMs] = [Infinity, performance.now()];
  while (!draining.isEmpty) {
    if (draining.records < left) [left, movedAtMs] = [draining.records, performance.now()];
    if (signal.aborted || performance.now() - movedAtMs > patienceMs) return false;
    await sleep(pollMs);
  }
  return true;
}

/** Under the lock, so that it is nobody's, and still empty. */
async function remove(parent: string, name: string, log: Logger): Promise<void> {
  const folder = join(parent, name);
  const lock = await lockFolder(folder);
  try {
    const { hasSegments, hasParked } = await look(parent, name);
    if (hasSegments || hasParked) return;
    await rm(folder, { recursive: true });
    log.info({ folder }, 'An empty spool that nobody has used for a day is removed.');
  } finally {
    await lock.release();
  }
}
