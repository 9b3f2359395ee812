import type { Logger } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { messageOf } from '../../../../shared/network/fault.ts';
import type { Upkeep } from './core.ts';
import { parkedName } from './files.ts';
import type { SpoolMetrics } from './metrics.ts';

/** What cannot be done: with the folder as a whole, with new messages, with those that are in it. */
export type Failing = 'open' | 'write' | 'upkeep';

export interface SpoolFault {
  readonly failing: Failing;
  /** Where it is not the error's code. */
  readonly reason?: string;
  /** What it means for the usage, and what to do. */
  readonly message: string;
}

const overMessages: Readonly<Record<Failing, string>> = {
  open: 'The folder of the spool can be used again.',
  write: 'The spool can be written to again.',
  upkeep: 'The spool can be read, and its progress saved, again.',
};

/** Says what is wrong with a spool: once per reason and minute, and when it is over; and what was parked, each time. */
export class Faults {
  readonly #folder: string;
  readonly #log: Logger;
  readonly #metrics: SpoolMetrics;
  readonly #troubles: Troubles;
  #parked = 0;

  constructor({
    folder,
    log,
    metrics,
  }: {
    readonly folder: string;
    readonly log: Logger;
    readonly metrics: SpoolMetrics;
  }) {
    this.#folder = folder;
    this.#log = log;
    this.#metrics = metrics;
    this.#troubles = new Troubles(log);
  }

  /** What is wrong now, for `/readyz`. */
  get remarks(): readonly string[] {
    return this.#troubles.remarks;
  }

  failed(error: unknown, { failing, reason, message }: SpoolFault): void {
    this.#metrics.failures.inc();
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'other';
    this.#troubles.tell({
      about: failing,
      reason: reason ?? code,
      level: 'error',
      message,
      fields: { folder: this.#folder, cause: messageOf(error) },
      remark: `${message} (${messageOf(error)})`,
    });
  }

  recovered(failing: Failing): void {
    this.#troubles.over(failing, overMessages[failing], { folder: this.#folder });
  }

  gone(error: unknown, records: number): void {
    this.#metrics.failures.inc();
    this.#troubles.over('write');
    this.#troubles.over('upkeep');
    this.#log.error(
      { error, folder: this.#folder, records },
      'The folder of the spool was moved or deleted. The messages that were in it are not published by this process: put the folder back and start a sidecar on it.',
    );
  }

  /** Stretches that were kept aside since the start. */
  get parkedCount(): number {
    return this.#parked;
  }

  parked({ why, place, bytes, records }: Extract<Upkeep, { kind: 'park' }>): void {
    this.#parked++;
    this.#metrics.parked.inc({ why }, why === 'too_old' ? records : 1);
    const where = { folder: this.#folder, file: parkedName(why, place.segment, place.offset) };
    if (why === 'too_old') {
      this.#log.error(
        { ...where, records },
        'Messages older than 35 days were parked: consumers may have forgotten whether they have counted them. Their usage is not billed; a person decides.',
      );
    } else {
      this.#log.error(
        { ...where, bytes: bytes.byteLength },
        'A part of the spool is damaged and was parked. Usage of it that was answered with 202 is not billed; what follows is. Check the disk.',
      );
    }
  }
}
