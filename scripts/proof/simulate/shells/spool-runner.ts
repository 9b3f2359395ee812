import {
  SpoolCore,
  type Replay,
  type SpoolEffect,
  type SpoolEvent,
} from '../../../../services/publisher/src/spool/core.ts';
import { type SpoolLimits, spoolLimits } from '../../../../services/publisher/src/spool/limits.ts';
import { encodeRecord, scan, type SpoolRecord } from '../../../../services/publisher/src/spool/record.ts';
import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { Commit, ModelFolder } from '../models/model-folder.ts';
import type { Process } from '../time/process.ts';
import type { Random } from '../time/random.ts';
import type { World } from '../models/world.ts';

export interface SpoolPorts {
  readonly world: World;
  readonly folder: ModelFolder;
  readonly process: Process;
  readonly random: Random;
  readonly wallClockMs: () => number;
  /** There may be room now, or something to replay, or neither any more. */
  readonly changed: () => void;
}

/** The simulation's shell of the spool core: what `services/publisher/src/spool/open-spool.ts` is in a real sidecar. */
export class SpoolRunner {
  readonly #ports: SpoolPorts;
  readonly #core: SpoolCore;
  readonly #told = new Map<number, { readonly record: SpoolRecord; readonly tell: (stored: boolean) => void }>();
  #lastTicket = 0;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(ports: SpoolPorts) {
    this.#ports = ports;
    const found = ports.folder.open();
    if (found.records > 0) ports.world.tally.add('spools found with records');
    this.#core = new SpoolCore(found, limitsOf(ports.world));
    this.#step({ kind: 'ticked' });
  }

  get roomBytes(): number | undefined {
    return this.#core.roomBytes;
  }

  get takesMore(): boolean {
    return this.#core.takesMore;
  }

  append(record: SpoolRecord, expiresAtMs: number, tell: (stored: boolean) => void): void {
    const ticket = ++this.#lastTicket;
    this.#told.set(ticket, { record, tell });
    this.#step({ kind: 'append', ticket, bytes: encodeRecord(record), expiresAtMs });
  }

  next(generation: number): Replay | undefined {
    const replay = this.#core.next(generation, this.#now());
    if (replay === undefined) this.#step({ kind: 'ticked' });
    return replay;
  }

  tell(verdict: 'confirmed' | 'refused', generation: number, { ticket }: Replay): void {
    this.#step({ kind: verdict, generation, ticket });
  }

  returned(generation: number, origin: MessageOrigin): void {
    this.#step({ kind: 'returned', generation, origin });
  }

  lost(): void {
    this.#step({ kind: 'lost' });
  }

  #now(): { readonly nowMs: number; readonly wallMs: number } {
    return { nowMs: this.#ports.process.nowMs, wallMs: this.#ports.wallClockMs() };
  }

  #step(event: SpoolEvent): void {
    for (const effect of this.#core.step(event, this.#now())) this.#carryOut(effect);
    this.#setTimer();
  }

  #carryOut(effect: SpoolEffect): void {
    const { folder, world, process } = this.#ports;
    if (world.trace.on && effect.kind !== 'read') world.trace.line(process.name, `spool: ${describe(effect)}`);
    switch (effect.kind) {
      case 'stored':
      case 'declined':
        this.#tellOf(effect.ticket, effect.kind === 'stored');
        break;
      case 'commit':
        this.#commit(effect);
        break;
      case 'probe':
        this.#after(() => ({ kind: 'probed', ok: !folder.isFull }));
        break;
      case 'read':
        this.#after(() => {
          const bytes = folder.read(effect.place.segment, effect.place.offset, effect.bytes);
          return { kind: 'loaded', bytes, ...scan(bytes, effect.isEnd) };
        });
        break;
      case 'save':
        folder.writeCursor(effect.cursor);
        this.#after(() => {
          folder.syncCursor();
          return { kind: 'saved' };
        });
        break;
      case 'remove':
        folder.remove(effect.segment);
        this.#after(() => ({ kind: 'removed' }));
        break;
      case 'park':
        this.#after(() => {
          const records = folder.park(effect.bytes);
          world.tally.add(`spool records parked: ${effect.why}`, records.length);
          for (const { body } of records) world.checker.parkedInSpool(body);
          return { kind: 'parked' };
        });
        break;
    }
  }

  #commit(commit: Commit): void {
    const { folder, world } = this.#ports;
    const isWritten = folder.write(commit);
    this.#after(() => {
      if (!isWritten) return { kind: 'commit_failed', segment: folder.undo(commit) };
      folder.sync(commit);
      for (const stretch of scan(Buffer.concat(commit.records), true).stretches) {
        if (stretch.kind === 'record') world.checker.spooled(stretch.record.body);
      }
      return { kind: 'committed' };
    });
  }

  #tellOf(ticket: number, isStored: boolean): void {
    const waiting = this.#told.get(ticket);
    this.#told.delete(ticket);
    this.#ports.world.tally.add(isStored ? 'messages spooled' : 'messages declined by the spool');
    waiting?.tell(isStored);
  }

  /** File work takes its time, in which anything may happen to the process. */
  #after(done: () => SpoolEvent): void {
    const { process, random, world, changed } = this.#ports;
    process.after(random.between(0, world.profile.syncMs), () => {
      this.#step(done());
      changed();
    });
  }

  #setTimer(): void {
    const { process, changed } = this.#ports;
    const atMs = this.#core.wakeAtMs(process.nowMs);
    if (atMs >= this.#timerAtMs) return;
    this.#timerAtMs = atMs;
    process.after(Math.max(0, Math.ceil(atMs - process.nowMs)), () => {
      if (this.#timerAtMs !== atMs) return;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.#step({ kind: 'ticked' });
      changed();
    });
  }
}

function limitsOf({ profile }: World): SpoolLimits {
  return { ...spoolLimits(profile.spool?.bytes ?? 0), ...profile.spool?.limits };
}

function describe(effect: SpoolEffect): string {
  switch (effect.kind) {
    case 'commit':
      return `writes ${effect.records.length} records to segment ${effect.segment}`;
    case 'save':
      return `saves the cursor ${effect.cursor.segment}:${effect.cursor.offset}`;
    case 'remove':
      return `removes segment ${effect.segment}`;
    case 'park':
      return `parks ${effect.bytes.byteLength} bytes: ${effect.why}`;
    default:
      return effect.kind;
  }
}
