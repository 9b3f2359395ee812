import type { MeterCatalog, MeterList, UnreadableMeters } from '../../services/consumer/src/shard/open-set.ts';
import type { ModelProvider } from './model-provider.ts';
import type { Profile } from './profile.ts';
import type { Process } from './process.ts';
import type { Tally } from './tally.ts';

const retryMs = 200;

/** The meters as one consumer knows them, per account: read again when one is missing, as `meters/catalog.ts` does. */
export class CatalogReader {
  readonly #process: Process;
  readonly #provider: ModelProvider;
  readonly #paceMs: number;
  readonly #maxAgeMs: number;
  readonly #tally: Tally;
  readonly #read: (catalog: MeterCatalog, isFirst: boolean) => void;
  #current: MeterCatalog | undefined;
  readonly #connected = new Map<string, MeterList | UnreadableMeters>();
  /** When to read the meters of an account again; the platform's own has no name. */
  readonly #dueMs = new Map([['', Number.NEGATIVE_INFINITY]]);

  constructor(
    process: Process,
    provider: ModelProvider,
    { catalogPaceMs, catalogMaxAgeMs }: Pick<Profile, 'catalogPaceMs' | 'catalogMaxAgeMs'>,
    tally: Tally,
    read: (catalog: MeterCatalog, isFirst: boolean) => void,
  ) {
    this.#process = process;
    this.#provider = provider;
    this.#paceMs = catalogPaceMs;
    this.#maxAgeMs = catalogMaxAgeMs;
    this.#tally = tally;
    this.#read = read;
  }

  get current(): MeterCatalog | undefined {
    return this.#current;
  }

  /** As soon as the pace of reads allows. */
  need(account: string): void {
    const { nowMs } = this.#process;
    const dueMs = this.#dueMs.get(account);
    // While it is being read nothing more is asked for.
    if (dueMs === undefined) this.#dueMs.set(account, nowMs);
    else if (dueMs !== Number.POSITIVE_INFINITY) this.#dueMs.set(account, Math.min(dueMs, nowMs + this.#paceMs));
  }

  tick(): void {
    for (const [account, dueMs] of this.#dueMs) if (this.#process.nowMs >= dueMs) this.#readMeters(account);
  }

  #readMeters(account: string): void {
    const askedAtMs = this.#process.nowMs;
    this.#dueMs.set(account, Number.POSITIVE_INFINITY);
    this.#provider.readMeters(account, this.#process, (answer) => {
      const isRead = answer !== undefined && answer !== 'unreadable';
      this.#dueMs.set(account, this.#process.nowMs + (isRead ? this.#maxAgeMs : retryMs));
      if (answer === undefined || !this.#learn(account, answer, askedAtMs)) return;
      const isFirst = this.#current === undefined;
      const own = account === '' && isRead ? { meters: answer, askedAtMs } : this.#current;
      if (own === undefined) return;
      this.#current = { ...own, connected: new Map(this.#connected) };
      this.#read(this.#current, isFirst);
    });
  }

  /** Whether that is something new. */
  #learn(account: string, answer: MeterList['meters'] | 'unreadable', askedAtMs: number): boolean {
    if (account === '') return answer !== 'unreadable';
    if (answer !== 'unreadable') {
      this.#connected.set(account, { meters: answer, askedAtMs });
      return true;
    }
    const before = this.#connected.get(account);
    if (before?.unreadable !== undefined) return false;
    this.#connected.set(account, { ...before, unreadable: '403' });
    this.#tally.add('connected accounts whose meters cannot be read');
    return true;
  }
}
