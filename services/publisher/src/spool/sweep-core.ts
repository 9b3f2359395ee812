/**
 * Which of the spools beside each other are to be emptied, or removed, because their sidecars do not come back. Pure.
 *
 *   locked (a process has it) ──let go──▶ waiting ──left alone for orphanMs──▶ orphaned ──emptied──▶ empty ──for keepMs──▶ removed
 *                                            └───────taken again───────▶ locked
 *
 * The lock alone decides: a sidecar holds it for as long as it lives, and whoever empties a spool holds it meanwhile, so a
 * sidecar that comes back after all waits a moment and goes on. Nothing is removed that holds anything, and nothing soon:
 * a folder is mounted into its pod by the node, and a sidecar that is only being restarted wants to find it.
 */
export interface SweepLimits {
  /** Longer than the restart of a container usually takes. */
  readonly orphanMs: number;
  readonly keepMs: number;
}

export const defaultSweepLimits: SweepLimits = { orphanMs: 60_000, keepMs: 24 * 60 * 60 * 1000 };

/** A folder as it was seen just now. */
export interface FolderSeen {
  readonly name: string;
  readonly isLocked: boolean;
  /** Segments that may hold messages. */
  readonly hasSegments: boolean;
  /** Files that nobody publishes (too old, damaged): a person's to look at. */
  readonly hasParked: boolean;
}

export type Verdict = 'leave' | 'empty' | 'remove';

export class SweepCore {
  readonly #limits: SweepLimits;
  /** Since when each folder has been seen without a lock, monotonic. */
  #unlockedSince = new Map<string, number>();

  constructor(limits: SweepLimits = defaultSweepLimits) {
    this.#limits = limits;
  }

  /** What to do with each of all the folders that are there. */
  judge(seen: readonly FolderSeen[], nowMs: number): ReadonlyMap<string, Verdict> {
    const unlocked = seen.filter(({ isLocked }) => !isLocked);
    this.#unlockedSince = new Map(unlocked.map(({ name }) => [name, this.#unlockedSince.get(name) ?? nowMs]));
    return new Map(seen.map((folder) => [folder.name, this.#verdict(folder, nowMs)]));
  }

  #verdict({ name, hasSegments, hasParked }: FolderSeen, nowMs: number): Verdict {
    const aloneMs = nowMs - (this.#unlockedSince.get(name) ?? nowMs);
    if (hasSegments) return aloneMs >= this.#limits.orphanMs ? 'empty' : 'leave';
    return !hasParked && aloneMs >= this.#limits.keepMs ? 'remove' : 'leave';
  }
}
