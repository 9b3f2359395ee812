import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import type { Replay } from './core.ts';
import { type Opened, openFolder } from './disk.ts';
import { Faults, type SpoolFault } from './faults.ts';
import { FolderFiles, makeFolder } from './files.ts';
import type { SpoolLimits } from './limits.ts';
import { type FolderLock, lockFolder, SpoolLocked } from './lock.ts';
import type { SpoolMetrics, SpoolState } from './metrics.ts';
import { now, OpenSpool } from './open-spool.ts';
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
  readonly of: OpenSpool;
}

/**
 *   closed ──folder there, lock ours, last segment repaired──▶ open ──folder moved or deleted──▶ closed
 *     ▲ │                                                       │
 *     └─┘ after reopenMs, for as long as it takes               └── stop() ──▶ stopped
 */
type State =
  | { readonly kind: 'closed'; readonly why: 'locked' | 'unavailable' }
  | { readonly kind: 'open'; readonly spool: OpenSpool }
  | { readonly kind: 'stopped' };

const unopened = {
  locked: {
    failing: 'open',
    reason: 'locked',
    message:
      'Another process has the spool folder, so this sidecar has no spool: while the broker is away, it answers 503. Give each sidecar a TALLYMAN_SPOOL_DIR of its own, or stop the other one.',
  },
  unavailable: {
    failing: 'open',
    message:
      'The folder of the spool cannot be used, so there is no spool: while the broker is away, usage is answered with 503. It is tried again. Check the folder and its permissions.',
  },
  opening: {
    failing: 'open',
    reason: 'opening',
    message:
      'The folder of the spool does not answer, so there is no spool yet: while the broker is away, usage is answered with 503. Look at its disk or network volume.',
  },
} as const satisfies Readonly<Record<string, SpoolFault>>;
const reopenMs = 1_000;
const stopTimeoutMs = 2_000;

/**
 * The spool as the outbox knows it: one that comes back by itself from whatever happens to its folder. What it cannot keep is
 * declined, at once or when the write has failed; nothing is called stored that was not synced in the folder as it stands.
 */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #faults: Faults;
  readonly #told = new Map<number, (stored: boolean) => void>();
  #listener: () => void = () => undefined;
  #state: State = { kind: 'closed', why: 'unavailable' };
  #lastTicket = 0;
  #opening: Promise<void> = Promise.resolve();
  #isOpening = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#faults = new Faults(options);
  }

  get #open(): OpenSpool | undefined {
    return this.#state.kind === 'open' ? this.#state.spool : undefined;
  }

  /** For messages that are not handed over yet; undefined while nothing can be kept. */
  get roomBytes(): number | undefined {
    return this.#open?.core.roomBytes;
  }

  /** A message would be taken now. */
  get takesMore(): boolean {
    return this.#open?.core.takesMore ?? false;
  }

  get bytes(): number {
    return this.#open?.core.bytes ?? 0;
  }

  get records(): number {
    return this.#open?.core.records ?? 0;
  }

  /** Stretches of it that were kept aside since the start. */
  get parked(): number {
    return this.#faults.parkedCount;
  }

  /** What is wrong with it, for `/readyz`. */
  get remarks(): readonly string[] {
    return this.#faults.remarks;
  }

  get oldestAcceptedMs(): number | undefined {
    return this.#open?.core.oldestAcceptedMs;
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  get isEmpty(): boolean {
    return this.#open?.core.isEmpty ?? false;
  }

  get state(): SpoolState {
    if (this.#state.kind === 'closed') return this.#state.why;
    if (this.#state.kind === 'stopped') return 'unavailable';
    const { roomBytes } = this.#state.spool.core;
    if (roomBytes === undefined) return 'failing';
    return roomBytes === 0 ? 'full' : 'open';
  }

  /** Resolves when the folder was opened, or could not be: then it is tried again for as long as it takes. */
  start(): Promise<void> {
    this.#opening = this.#tryToOpen();
    return this.#opening;
  }

  /** The same, but does not wait for longer than this: says then that the folder does not answer. */
  async startWithin(ms: number): Promise<void> {
    await Promise.race([this.start(), sleep(ms, undefined, { ref: false })]);
    if (this.#isOpening) this.#faults.failed(new Error('no answer yet'), unopened.opening);
  }

  /** Called when there is room, something to replay, or neither any more. */
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  /** `told` is called once: whether the record is on the disk. Past `expiresAtMs` (monotonic) it is not written any more. */
  append(record: SpoolRecord, expiresAtMs: number, told: (stored: boolean) => void): void {
    const open = this.#open;
    if (open === undefined) {
      told(false);
      return;
    }
    const ticket = ++this.#lastTicket;
    this.#told.set(ticket, told);
    open.step({ kind: 'append', ticket, bytes: encodeRecord(record), expiresAtMs });
  }

  /** The next message to publish again, on the connection of this generation. */
  next(generation: number): Replayed | undefined {
    const open = this.#open;
    if (open === undefined) return undefined;
    const replay = open.core.next(generation, now());
    if (replay !== undefined) return { ...replay, generation, of: open };
    // What it has found too old on the way is to be parked.
    open.step({ kind: 'ticked' });
    return undefined;
  }

  tell(verdict: 'confirmed' | 'refused', { of, generation, ticket }: Replayed): void {
    if (this.#open !== of) return;
    const before = of.core.records;
    of.step({ kind: verdict, generation, ticket });
    this.#options.metrics.replayed.inc(Math.max(0, before - of.core.records));
  }

  returned(generation: number, origin: MessageOrigin): void {
    this.#open?.step({ kind: 'returned', generation, origin });
  }

  /** The connection that messages were published on is gone. */
  lost(): void {
    this.#open?.step({ kind: 'lost' });
  }

  /** Makes the cursor durable and lets go of the folder. */
  async stop(): Promise<void> {
    const open = this.#open;
    clearTimeout(this.#timer);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, stopTimeoutMs);
    open?.step({ kind: 'save' });
    await Promise.race([late, open?.settled()]);
    this.#state = { kind: 'stopped' };
    this.#declineAll();
    await Promise.race([late, Promise.all([open?.close(), this.#opening])]);
    clearTimeout(timer);
  }

  async #tryToOpen(): Promise<void> {
    const { folder, limits } = this.#options;
    const files = new FolderFiles(folder);
    let lock: FolderLock | undefined;
    this.#isOpening = true;
    try {
      await makeFolder(folder);
      lock = await lockFolder(folder);
      const found = await openFolder(files);
      if (this.#state.kind === 'closed') {
        this.#isOpening = false;
        this.#opened(found, new OpenSpool({ files, lock, found, limits, faults: this.#faults, ...this.#hooks() }));
        return;
      }
    } catch (error) {
      this.#couldNotOpen(error);
    }
    this.#isOpening = false;
    await files.close();
    await lock?.release();
  }

  #hooks() {
    const { metrics } = this.#options;
    return {
      onTold: (ticket: number, stored: boolean) => {
        if (stored) metrics.stored.inc();
        const told = this.#told.get(ticket);
        this.#told.delete(ticket);
        told?.(stored);
      },
      onChange: () => this.#listener(),
      onGone: (error: unknown) => this.#gone(error),
      onCommit: (seconds: number) => metrics.fsyncSeconds.observe(seconds),
    };
  }

  #opened({ tornBytes }: Opened, spool: OpenSpool): void {
    const { folder, log } = this.#options;
    this.#state = { kind: 'open', spool };
    this.#faults.recovered('open');
    if (tornBytes > 0) {
      log.warn(
        { folder, bytes: tornBytes },
        'The last message of the spool was being written when the last process ended, and was cut off. It was never answered with 202: its client sends it again.',
      );
    }
    spool.step({ kind: 'ticked' });
    this.#listener();
  }

  #couldNotOpen(error: unknown): void {
    if (this.#state.kind !== 'closed') return;
    const why = error instanceof SpoolLocked ? 'locked' : 'unavailable';
    this.#state = { kind: 'closed', why };
    this.#faults.failed(error, unopened[why]);
    this.#timer = setTimeout(() => void this.start(), reopenMs);
  }

  /** The folder is not what was opened: begins anew with what stands there. */
  #gone(failure: unknown): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#faults.gone(failure, open.core.records);
    this.#state = { kind: 'closed', why: 'unavailable' };
    this.#declineAll();
    this.#opening = open.close().then(() => this.#tryToOpen());
    this.#listener();
  }

  #declineAll(): void {
    const waiting = [...this.#told.values()];
    this.#told.clear();
    for (const told of waiting) told(false);
  }
}
