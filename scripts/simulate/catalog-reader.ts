import type { MeterCatalog } from '../../services/consumer/src/shard/open-set.ts';
import type { ModelProvider } from './model-provider.ts';
import type { Process } from './process.ts';

const catalogMaxAgeMs = 900_000;
const retryMs = 200;

/** The meters as one consumer knows them: read again when one is missing, as `meters/catalog.ts` does. */
export class CatalogReader {
  readonly #process: Process;
  readonly #provider: ModelProvider;
  readonly #paceMs: number;
  readonly #read: (catalog: MeterCatalog, isFirst: boolean) => void;
  #current: MeterCatalog | undefined;
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor(
    process: Process,
    provider: ModelProvider,
    paceMs: number,
    read: (catalog: MeterCatalog, isFirst: boolean) => void,
  ) {
    this.#process = process;
    this.#provider = provider;
    this.#paceMs = paceMs;
    this.#read = read;
  }

  get current(): MeterCatalog | undefined {
    return this.#current;
  }

  /** As soon as the pace of reads allows. */
  need(): void {
    if (this.#dueMs === Number.POSITIVE_INFINITY) return;
    this.#dueMs = Math.min(this.#dueMs, this.#process.nowMs + this.#paceMs);
  }

  tick(): void {
    const askedAtMs = this.#process.nowMs;
    if (askedAtMs < this.#dueMs) return;
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#provider.readMeters(this.#process, (meters) => {
      this.#dueMs = this.#process.nowMs + (meters === undefined ? retryMs : catalogMaxAgeMs);
      if (meters === undefined) return;
      const isFirst = this.#current === undefined;
      this.#current = { meters, askedAtMs };
      this.#read(this.#current, isFirst);
    });
  }
}
