import { SpoolCore, type SpoolEffect, type SpoolEvent, type Upkeep } from './core.ts';
import { commit, type Commit, doUpkeep, type Opened, probe, SpoolGone, undo } from './disk.ts';
import type { Faults, SpoolFault } from './faults.ts';
import { isMissing, type SpoolFiles } from './files.ts';
import type { SpoolLimits } from './limits.ts';
import type { FolderLock } from './lock.ts';
import { WakeTimer } from '../wake-timer.ts';

export interface OpenSpoolOptions {
  readonly files: SpoolFiles;
  readonly lock: FolderLock;
  readonly found: Opened;
  readonly limits: SpoolLimits;
  readonly faults: Faults;
  /** What became of an append. */
  readonly onTold: (ticket: number, stored: boolean) => void;
  /** After file work: there may be room, or something to replay, or neither any more. */
  readonly onChange: () => void;
  /** The folder is not the one that was opened. Nothing is done or told any more. */
  readonly onGone: (error: unknown) => void;
  readonly onCommit: (seconds: number) => void;
}

const unwritable: SpoolFault = {
  failing: 'write',
  message:
    'The spool cannot be written to: while the broker is away, usage is answered with 503. It is tried again. Check the disk.',
};
const unreadable: SpoolFault = {
  failing: 'upkeep',
  message:
    'The spool cannot be read, or its progress cannot be saved: its messages wait there, and none is lost. It is tried again. Check the disk.',
};

/**
 * One spool folder from its opening to its end: runs the effects of the core on its files, tells it how they ended, and
 * wakes it when it wants to be.
 */
export class OpenSpool {
  readonly core: SpoolCore;
  readonly #options: OpenSpoolOptions;
  readonly #running = new Set<Promise<void>>();
  #isClosed = false;
  readonly #timer = new WakeTimer(() => this.#ended({ kind: 'ticked' }));

  constructor(options: OpenSpoolOptions) {
    this.#options = options;
    this.core = new SpoolCore(options.found, options.limits);
  }

  step(event: SpoolEvent): void {
    for (const effect of this.core.step(event, now())) this.#carryOut(effect);
    if (!this.#isClosed) this.#timer.setFor(this.core.wakeAtMs(performance.now()));
  }

  /** Resolves when no file work is under way. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
  }

  /** Never rejects: what was to be durable was synced before, and a close that fails has closed all the same. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer.stop();
    await this.#options.files.close().catch(() => undefined);
    await this.#options.lock.release().catch(() => undefined);
  }

  #carryOut(effect: SpoolEffect): void {
    switch (effect.kind) {
      case 'stored':
      case 'declined':
        this.#options.onTold(effect.ticket, effect.kind === 'stored');
        break;
      case 'commit':
        this.#run(this.#commit(effect));
        break;
      case 'probe':
        this.#run(this.#probe());
        break;
      default:
        this.#run(this.#doUpkeep(effect));
    }
  }

  async #commit(effect: Commit): Promise<void> {
    const { files, faults, onCommit } = this.#options;
    const startedMs = performance.now();
    try {
      await commit(files, effect);
    } catch (error) {
      if (await this.#isGone(error)) return;
      const segment = await undo(files, effect);
      faults.failed(error, unwritable);
      this.#ended({ kind: 'commit_failed', segment });
      return;
    }
    onCommit((performance.now() - startedMs) / 1_000);
    this.#ended({ kind: 'committed' });
  }

  async #probe(): Promise<void> {
    const { files, faults } = this.#options;
    try {
      await probe(files);
    } catch (error) {
      if (await this.#isGone(error)) return;
      faults.failed(error, unwritable);
      this.#ended({ kind: 'probed', ok: false });
      return;
    }
    faults.recovered('write');
    this.#ended({ kind: 'probed', ok: true });
  }

  async #doUpkeep(work: Upkeep): Promise<void> {
    const { files, faults } = this.#options;
    let event: SpoolEvent;
    try {
      event = await doUpkeep(files, work);
    } catch (error) {
      if (await this.#isGone(error)) return;
      faults.failed(error, unreadable);
      this.#ended({ kind: 'upkeep_failed' });
      return;
    }
    faults.recovered('upkeep');
    if (work.kind === 'park') faults.parked(work);
    this.#ended(event);
  }

  /** Tells it, if it is; true also after the close, when nothing is to be done about a failure. */
  async #isGone(failure: unknown): Promise<boolean> {
    if (this.#isClosed) return true;
    // A folder that cannot even be looked at is another kind of trouble, and may be the same folder later.
    const isOurs = async (): Promise<boolean> => this.#options.lock.isInPlace().catch(() => true);
    const isGone = failure instanceof SpoolGone || isMissing(failure) || !(await isOurs());
    if (!isGone || this.#isClosed) return isGone;
    this.#isClosed = true;
    this.#options.onGone(failure);
    return true;
  }

  /** What ends after the close changes nothing any more. */
  #ended(event: SpoolEvent): void {
    if (this.#isClosed) return;
    this.step(event);
    this.#options.onChange();
  }

  #run(work: Promise<void>): void {
    const running = work.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

export function now(): { readonly nowMs: number; readonly wallMs: number } {
  return { nowMs: performance.now(), wallMs: Date.now() };
}
