import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import { SpoolCore, type Replay, type SpoolEffect, type SpoolEvent } from './core.ts';
import { commit, doUpkeep, openFolder, probe, undo } from './disk.ts';
import { type SpoolLimits, spoolLimits } from './limits.ts';
import { Crashed, type ModelDisk } from './model-disk.ts';
import { encodeRecord, type SpoolRecord } from './record.ts';

/** For tests of the spool: a core on a disk, where the test is the clock and the broker. */
export const wallMs = 1_795_426_200_000;

export const smallLimits: SpoolLimits = {
  ...spoolLimits(100_000),
  segmentBytes: 400,
  reserveBytes: 200,
  commitBytesMax: 300,
  readBytes: 128,
  windowBytesMax: 500,
  inFlightMax: 3,
};

export function record(sequence: number, body = `{"message":${sequence}}`, acceptedAtMs = wallMs): SpoolRecord {
  return { origin: { producer: 'p1', slot: 7, sequence }, acceptedAtMs, body: Buffer.from(body) };
}

export const nameOf = ({ producer, slot, sequence }: MessageOrigin): string => `${producer}/${slot}/${sequence}`;

/** One life of a process on the spool. Everything that it was told to be stored, and all that it published, is remembered. */
export class Life {
  readonly stored: SpoolRecord[] = [];
  readonly declined: SpoolRecord[] = [];
  readonly core: SpoolCore;
  readonly disk: ModelDisk;
  readonly tornBytes: number;
  nowMs = 1_000;
  wallMs = wallMs;
  generation = 1;
  readonly #appended = new Map<number, SpoolRecord>();
  #tickets = 0;
  #pending: SpoolEffect[] = [];

  constructor(core: SpoolCore, disk: ModelDisk, tornBytes: number) {
    this.core = core;
    this.disk = disk;
    this.tornBytes = tornBytes;
  }

  static async begin(disk: ModelDisk, limits = smallLimits): Promise<Life> {
    const found = await openFolder(disk);
    const life = new Life(new SpoolCore(found, limits), disk, found.tornBytes);
    life.step({ kind: 'ticked' });
    return life;
  }

  step(event: SpoolEvent): void {
    const { nowMs, wallMs: atMs } = this;
    this.#pending.push(...this.core.step(event, { nowMs, wallMs: atMs }));
    this.#hearTickets();
  }

  append(kept: SpoolRecord, expiresAtMs = Infinity): void {
    const ticket = ++this.#tickets;
    this.#appended.set(ticket, kept);
    this.step({ kind: 'append', ticket, bytes: encodeRecord(kept), expiresAtMs });
  }

  /** How many pieces of file work wait. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Carries out one of them. */
  async workOn(index: number): Promise<void> {
    const [effect] = this.#pending.splice(index % this.#pending.length, 1);
    if (effect !== undefined) this.step(await this.#carryOut(effect));
  }

  /** Carries out file work until there is none. A crash is thrown. */
  async work(): Promise<void> {
    for (let effect = this.#pending.shift(); effect !== undefined; effect = this.#pending.shift()) {
      this.step(await this.#carryOut(effect));
    }
  }

  async settle(...records: readonly SpoolRecord[]): Promise<void> {
    for (const each of records) this.append(each);
    await this.work();
  }

  next(): Replay | undefined {
    const replay = this.core.next(this.generation, this);
    if (replay === undefined) this.step({ kind: 'ticked' });
    return replay;
  }

  confirm({ ticket }: Replay): void {
    this.step({ kind: 'confirmed', generation: this.generation, ticket });
  }

  /** Publishes and confirms until nothing is left to be published. */
  async replayAll(): Promise<readonly Replay[]> {
    const replayed: Replay[] = [];
    for (;;) {
      await this.work();
      const replay = this.next();
      await this.work();
      if (replay !== undefined) {
        replayed.push(replay);
        this.confirm(replay);
      } else if (this.core.isEmpty) return replayed;
      else if (replayed.length > 10_000) throw new Error('the spool never ends');
      else this.#expectProgress();
    }
  }

  #idle = 0;
  #expectProgress(): void {
    this.nowMs += 1_000;
    this.step({ kind: 'ticked' });
    if (++this.#idle > 1_000) throw new Error(`the spool is stuck with ${this.core.records} records`);
  }

  async #carryOut(effect: SpoolEffect): Promise<SpoolEvent> {
    switch (effect.kind) {
      case 'stored':
      case 'declined':
        throw new Error('tickets are heard at once');
      case 'commit':
        try {
          await commit(this.disk, effect);
          return { kind: 'committed' };
        } catch (error) {
          if (error instanceof Crashed) throw error;
          return { kind: 'commit_failed', segment: await undo(this.disk, effect) };
        }
      case 'probe':
        return { kind: 'probed', ok: await succeeds(probe(this.disk)) };
      default:
        try {
          return await doUpkeep(this.disk, effect);
        } catch (error) {
          if (error instanceof Crashed) throw error;
          return { kind: 'upkeep_failed' };
        }
    }
  }

  #hearTickets(): void {
    this.#pending = this.#pending.filter((effect) => {
      if (effect.kind !== 'stored' && effect.kind !== 'declined') return true;
      const kept = this.#appended.get(effect.ticket);
      this.#appended.delete(effect.ticket);
      if (kept === undefined) throw new Error(`ticket ${effect.ticket} was told twice`);
      this[effect.kind].push(kept);
      return false;
    });
  }
}

async function succeeds(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof Crashed) throw error;
    return false;
  }
}
