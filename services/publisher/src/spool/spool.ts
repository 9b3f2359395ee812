import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { SpoolCore, type Replay, type SpoolEffect, type SpoolEvent, type Upkeep } from './core.ts';
import { commit, type Commit, doUpkeep, openFolder, probe, SpoolGone, undo } from './disk.ts';
import { FolderFiles, isMissing, makeFolder, parkedName, type SpoolFiles } from './files.ts';
import type { SpoolLimits } from './limits.ts';
import { type FolderLock, lockFolder, SpoolLocked } from './lock.ts';
import type { SpoolMetrics, SpoolState } from './metrics.ts';
import { encodeRecord, type SpoolRecord } from './record.ts';

export interface SpoolOptions {
  readonly folder: string;
  readonly limits: SpoolLimits;
  readonly log: Logger;
  readonly metrics: SpoolMetrics;
}

/** A message of the spool that is to be published. */
export interface Replayed extends Replay {
  readonly generation: number;
  readonly of: SpoolCore;
}

interface Opened {
  readonly core: SpoolCore;
  readonly files: SpoolFiles;
  readonly lock: FolderLock;
}

/**
 *   closed ──folder there, lock ours, last segment repaired──▶ open ──folder moved or deleted──▶ closed
 *     ▲ │                                                       │
 *     └─┘ after reopenMs, for as long as it takes               └── stop() ──▶ stopped
 */
type State =
  | { readonly kind: 'closed'; readonly why: 'locked' | 'unavailable' }
  | ({ readonly kind: 'open' } & Opened)
  | { readonly kind: 'stopped' };

const reopenMs = 1_000;
const stopTimeoutMs = 2_000;

/**
 * The shell round the spool core: it owns the folder, its lock and the timer, carries out file operations and comes back by
 * itself from whatever happens to the disk. What it cannot keep is declined, at once or when the write has failed; nothing is
 * called stored that was not synced in the folder as it stands.
 */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #told = new Map<number, (stored: boolean) => void>();
  readonly #running = new Set<Promise<void>>();
  #listener: () => void = () => undefined;
  #state: State = { kind: 'closed', why: 'unavailable' };
  #lastTicket = 0;
  #fault: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  get #core(): SpoolCore | undefined {
    return this.#state.kind === 'open' ? this.#state.core : undefined;
  }

  /** For messages that are not handed over yet; undefined while nothing can be kept. */
  get roomBytes(): number | undefined {
    return this.#core?.roomBytes;
  }

  /** A message would be taken now. */
  get takesMore(): boolean {
    return this.#core?.takesMore ?? false;
  }

  get bytes(): number {
    return this.#core?.bytes ?? 0;
  }

  get records(): number {
    return this.#core?.records ?? 0;
  }

  get oldestAcceptedMs(): number | undefined {
    return this.#core?.oldestAcceptedMs;
  }

  get isOpen(): boolean {
    return this.#state.kind === 'open';
  }

  get isEmpty(): boolean {
    return this.#core?.isEmpty ?? false;
  }

  get state(): SpoolState {
    if (this.#state.kind === 'closed') return this.#state.why;
    if (this.#state.kind === 'stopped') return 'unavailable';
    const { core } = this.#state;
    if (core.roomBytes === undefined) return 'failing';
    return core.roomBytes === 0 ? 'full' : 'open';
  }

  /** Resolves when the folder was opened, or could not be: then it is tried again for as long as it takes. */
  start(): Promise<void> {
    return this.#track(this.#open());
  }

  /** Called when there is room, something to replay, or neither any more. */
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  /** `told` is called once: whether the record is on the disk. Past `expiresAtMs` (monotonic) it is not written any more. */
  append(record: SpoolRecord, expiresAtMs: number, told: (stored: boolean) => void): void {
    if (this.#state.kind !== 'open') {
      told(false);
      return;
    }
    const ticket = ++this.#lastTicket;
    this.#told.set(ticket, told);
    this.#step(this.#state, { kind: 'append', ticket, bytes: encodeRecord(record), expiresAtMs });
  }

  /** The next message to publish again, on the connection of this generation. */
  next(generation: number): Replayed | undefined {
    if (this.#state.kind !== 'open') return undefined;
    const opened = this.#state;
    const replay = opened.core.next(generation, now());
    if (replay !== undefined) return { ...replay, generation, of: opened.core };
    // What it has found too old on the way is to be parked.
    this.#step(opened, { kind: 'ticked' });
    return undefined;
  }

  tell(verdict: 'confirmed' | 'refused', { of, generation, ticket }: Replayed): void {
    if (this.#state.kind !== 'open' || this.#state.core !== of) return;
    const before = of.records;
    this.#step(this.#state, { kind: verdict, generation, ticket });
    this.#options.metrics.replayed.inc(Math.max(0, before - of.records));
  }

  returned(generation: number, origin: MessageOrigin): void {
    if (this.#state.kind === 'open') this.#step(this.#state, { kind: 'returned', generation, origin });
  }

  /** The connection that messages were published on is gone. */
  lost(): void {
    if (this.#state.kind === 'open') this.#step(this.#state, { kind: 'lost' });
  }

  /** Makes the cursor durable and lets go of the folder. */
  async stop(): Promise<void> {
    const state = this.#state;
    if (state.kind === 'open') this.#step(state, { kind: 'save' });
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, stopTimeoutMs);
    await Promise.race([late, this.#settled()]);
    clearTimeout(timer);
    clearTimeout(this.#timer);
    this.#state = { kind: 'stopped' };
    this.#declineAll();
    if (state.kind === 'open') await Promise.race([late, close(state)]);
  }

  async #settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
  }

  async #open(): Promise<void> {
    const { folder, limits, log } = this.#options;
    let lock: FolderLock | undefined;
    const files = new FolderFiles(folder);
    try {
      await makeFolder(folder);
      lock = await lockFolder(folder);
      const found = await openFolder(files);
      if (this.#state.kind !== 'closed') return;
      const core = new SpoolCore(found, limits);
      const opened: Opened = { core, files, lock };
      lock = undefined;
      this.#state = { kind: 'open', ...opened };
      this.#recovered('The spool can be used.');
      if (found.tornBytes > 0) {
        log.warn(
          { folder, bytes: found.tornBytes },
          'The end of the spool was half written when the last process ended; it was cut off. It was not answered with 202.',
        );
      }
      if (found.records > 0) {
        log.info(
          { folder, records: found.records, bytes: core.bytes },
          'The spool holds messages of a former life; they are published again.',
        );
      }
      this.#step(opened, { kind: 'ticked' });
      this.#listener();
    } catch (error) {
      if (this.#state.kind !== 'closed') return;
      this.#state = { kind: 'closed', why: error instanceof SpoolLocked ? 'locked' : 'unavailable' };
      this.#failed(
        error,
        'The folder of the spool cannot be used; while the broker is away events are answered with 503. It is tried again.',
      );
      this.#openLater();
    } finally {
      if (lock !== undefined) {
        await files.close();
        await lock.release();
      }
    }
  }

  #openLater(): void {
    clearTimeout(this.#timer);
    this.#timerAtMs = Infinity;
    this.#timer = setTimeout(() => void this.#track(this.#open()), reopenMs);
  }

  /** The folder is not what was opened: begins anew with what stands there. */
  #gone(opened: Opened, error: unknown): void {
    if (this.#state.kind !== 'open' || this.#state.core !== opened.core) return;
    const { folder, log } = this.#options;
    const { records } = opened.core;
    this.#state = { kind: 'closed', why: 'unavailable' };
    this.#options.metrics.failures.inc();
    log.error(
      { error, folder, records },
      'The folder of the spool was moved or deleted. The messages that were in it are not published by this process: put the folder back and start a sidecar on it.',
    );
    this.#declineAll();
    clearTimeout(this.#timer);
    this.#timerAtMs = Infinity;
    void this.#track(close(opened).then(() => this.#open()));
    this.#listener();
  }

  #declineAll(): void {
    const waiting = [...this.#told.values()];
    this.#told.clear();
    for (const told of waiting) told(false);
  }

  #step(opened: Opened, event: SpoolEvent): void {
    const effects = opened.core.step(event, now());
    for (const effect of effects) this.#carryOut(opened, effect);
    this.#setTimer(opened);
  }

  #carryOut(opened: Opened, effect: SpoolEffect): void {
    switch (effect.kind) {
      case 'stored':
      case 'declined': {
        const told = this.#told.get(effect.ticket);
        this.#told.delete(effect.ticket);
        if (effect.kind === 'stored') this.#options.metrics.stored.inc();
        told?.(effect.kind === 'stored');
        break;
      }
      case 'commit':
        void this.#track(this.#commit(opened, effect));
        break;
      case 'probe':
        void this.#track(this.#probe(opened));
        break;
      default:
        void this.#track(this.#doUpkeep(opened, effect));
    }
  }

  async #commit(opened: Opened, effect: Commit): Promise<void> {
    const stop = this.#options.metrics.fsyncSeconds.startTimer();
    try {
      await commit(opened.files, effect);
    } catch (error) {
      if (await isGone(opened, error)) this.#gone(opened, error);
      else {
        const segment = await undo(opened.files, effect);
        this.#failed(
          error,
          'The spool cannot be written to; while the broker is away events are answered with 503. It is tried again.',
        );
        this.#ended(opened, { kind: 'commit_failed', segment });
      }
      return;
    }
    stop();
    this.#ended(opened, { kind: 'committed' });
  }

  async #probe(opened: Opened): Promise<void> {
    try {
      await probe(opened.files);
    } catch (error) {
      if (await isGone(opened, error)) this.#gone(opened, error);
      else {
        this.#failed(
          error,
          'The spool still cannot be written to; while the broker is away events are answered with 503.',
        );
        this.#ended(opened, { kind: 'probed', ok: false });
      }
      return;
    }
    this.#recovered('The spool can be written to again.');
    this.#ended(opened, { kind: 'probed', ok: true });
  }

  async #doUpkeep(opened: Opened, work: Upkeep): Promise<void> {
    let event: SpoolEvent;
    try {
      event = await doUpkeep(opened.files, work);
    } catch (error) {
      if (await isGone(opened, error)) this.#gone(opened, error);
      else {
        this.#failed(error, 'The spool could not be read, or its progress not be noted; it is tried again.');
        this.#ended(opened, { kind: 'upkeep_failed' });
      }
      return;
    }
    if (work.kind === 'park') this.#sayParked(work);
    this.#ended(opened, event);
  }

  #sayParked({ why, place, bytes, records }: Extract<Upkeep, { kind: 'park' }>): void {
    const { folder, log, metrics, limits } = this.#options;
    metrics.parked.inc({ why }, why === 'too_old' ? records : 1);
    const file = parkedName(why, place.segment, place.offset);
    if (why === 'too_old') {
      const days = limits.ageMaxMs / 86_400_000;
      log.error(
        { folder, file, records },
        `Messages older than ${days} days were parked: consumers may have forgotten whether they have counted them. Their usage is not billed; a person decides.`,
      );
    } else {
      log.error(
        { folder, file, bytes: bytes.byteLength },
        'A part of the spool is damaged and was parked. Its usage is not billed; what follows is. Look at the disk.',
      );
    }
  }

  /** An operation has ended. Operations of a folder that was given up meanwhile change nothing any more. */
  #ended(opened: Opened, event: SpoolEvent): void {
    if (this.#core !== opened.core) return;
    this.#step(opened, event);
    this.#listener();
  }

  /** Once per reason, and not per try. */
  #failed(error: unknown, sentence: string): void {
    const { folder, log, metrics } = this.#options;
    metrics.failures.inc();
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    if (reason === this.#fault) return;
    this.#fault = reason;
    log.error({ error, folder }, sentence);
  }

  #recovered(sentence: string): void {
    if (this.#fault !== undefined) this.#options.log.info({ folder: this.#options.folder }, sentence);
    this.#fault = undefined;
  }

  #track(work: Promise<void>): Promise<void> {
    const tracked = work.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    return tracked;
  }

  #setTimer(opened: Opened): void {
    if (this.#core !== opened.core) return;
    const { nowMs } = now();
    const atMs = opened.core.wakeAtMs(nowMs);
    if (atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#timerAtMs = Infinity;
        if (this.#core !== opened.core) return;
        this.#step(opened, { kind: 'ticked' });
        this.#listener();
      },
      Math.max(0, Math.ceil(atMs - nowMs)),
    );
  }
}

function now(): { readonly nowMs: number; readonly wallMs: number } {
  return { nowMs: performance.now(), wallMs: Date.now() };
}

async function isGone({ lock }: Opened, error: unknown): Promise<boolean> {
  if (error instanceof SpoolGone || isMissing(error)) return true;
  // A folder that cannot even be looked at is another kind of trouble, and may be the same folder later.
  return !(await lock.isInPlace().catch(() => true));
}

/** Never rejects: what was to be durable was synced before, and a close that fails has closed all the same. */
async function close({ files, lock }: Opened): Promise<void> {
  await files.close().catch(() => undefined);
  await lock.release().catch(() => undefined);
}
