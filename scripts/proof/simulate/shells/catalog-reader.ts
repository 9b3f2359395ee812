import type {
  MeterCatalog,
  MeterList,
  Unreadable,
  UnreadableMeters,
} from '../../../../services/consumer/src/meters/meter-list.ts';
import type { ModelProvider } from '../models/model-provider.ts';
import type { Process } from '../time/process.ts';
import type { Profile } from '../drawing/profile.ts';
import type { Tally } from '../time/tally.ts';

const retryMs = 200;
const readTimeoutMs = 5_000;

/** The meters as one consumer knows them, per account: read again when one is missing, as `meters/catalog.ts` does. */
export class CatalogReader {
  readonly #process: Process;
  readonly #provider: ModelProvider;
  readonly #paceMs: number;
  readonly #maxAgeMs: number;
  readonly #tally: Tally;
  readonly #read: (catalog: MeterCatalog, account: string, isFirst: boolean) => void;
  #current: MeterCatalog | undefined;
  readonly #connected = new Map<string, MeterList | UnreadableMeters>();
  /** When to read the meters of an account again; the platform's own has no name. */
  readonly #dueMs = new Map([['', Number.NEGATIVE_INFINITY]]);

  constructor(
    process: Process,
    provider: ModelProvider,
    { catalogPaceMs, catalogMaxAgeMs }: Pick<Profile, 'catalogPaceMs' | 'catalogMaxAgeMs'>,
    tally: Tally,
    read: (catalog: MeterCatalog, account: string, isFirst: boolean) => void,
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
    let isOver = false;
    const answered = (answer: MeterList['meters'] | 'unreadable' | undefined): void => {
      if (isOver) return;
      isOver = true;
      const isRead = answer !== undefined && answer !== 'unreadable';
      this.#dueMs.set(account, this.#process.nowMs + (isRead ? this.#maxAgeMs : retryMs));
      if (!isRead) this.#failed(account, { reason: answer ?? 'no answer', sinceMs: this.#process.nowMs });
      else if (account === '') this.#tell(account, { meters: answer, askedAtMs });
      else {
        this.#connected.set(account, { meters: answer, askedAtMs });
        this.#tell(account, this.#current);
      }
    };
    this.#dueMs.set(account, Number.POSITIVE_INFINITY);
    this.#process.after(readTimeoutMs, () => answered(undefined));
    this.#provider.readMeters(account, this.#process, answered);
  }

  #failed(account: string, unreadable: Unreadable): void {
    const before = account === '' ? this.#current : this.#connected.get(account);
    if (before?.unreadable !== undefined) return;
    if (account === '') {
      const list = this.#current ?? this.#provider.stored(this.#process);
      if (list !== undefined) this.#tell(account, { ...list, unreadable });
      return;
    }
    this.#tally.add('connected accounts whose meters cannot be read');
    this.#connected.set(account, { ...before, unreadable });
    this.#tell(account, this.#current);
  }

  #tell(account: string, own: MeterList | undefined): void {
    if (own === undefined) return;
    const isFirst = this.#current === undefined;
    this.#current = { ...own, connected: this.#connected };
    this.#read(this.#current, account, isFirst);
  }
}
