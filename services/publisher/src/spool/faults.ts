import type { Logger } from '../../../../shared/log/log.ts';
import type { Upkeep } from './core.ts';
import { parkedName } from './files.ts';
import type { SpoolMetrics } from './metrics.ts';

/** Says what is wrong with a spool: once per reason, and not per try; and what was parked, each time. */
export class Faults {
  readonly #folder: string;
  readonly #log: Logger;
  readonly #metrics: SpoolMetrics;
  #reason: string | undefined;
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
  }

  failed(error: unknown, sentence: string): void {
    this.#metrics.failures.inc();
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    if (reason === this.#reason) return;
    this.#reason = reason;
    this.#log.error({ error, folder: this.#folder }, sentence);
  }

  recovered(sentence: string): void {
    if (this.#reason !== undefined) this.#log.info({ folder: this.#folder }, sentence);
    this.#reason = undefined;
  }

  gone(error: unknown, records: number): void {
    this.#metrics.failures.inc();
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
        'A part of the spool is damaged and was parked. Usage of it that was answered with 202 is not billed; what follows is. Look at the disk.',
      );
    }
  }
}
