import type { ShardJournal, ShardState } from '../journal/journal.ts';

/** One request to the journal. It is answered by default at once, unless the test holds requests of its name. */
export interface JournalRequest {
  readonly name: string;
  readonly args: readonly unknown[];
  /** When it was asked, monotonic. */
  readonly atMs: number;
  answer(value?: unknown): void;
  /** No answer: it may or may not have happened. */
  fail(): void;
}

/**
 * For tests of shells: the journal of one shard, which answers what and when the test wants. It knows no rules; those are
 * the contract's (journal-contract.ts).
 */
export class FakeJournal {
  readonly requests: JournalRequest[] = [];
  /** Names of requests that wait for the test. */
  readonly held = new Set<string>();
  /** Names of requests that fail at once, with this error. */
  readonly failsWith = new Map<string, Error>();
  /** What `load` answers. */
  state: ShardState | 'stale';
  readonly #nowMs: () => number;
  #epoch = 0;

  /** `nowMs`: Redis' clock. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.state = {
      redisMs: nowMs(),
      next: 1,
      deferred: [],
      cursors: new Map(),
      idSets: [],
    };
  }

  /** As what shells take it for. Whatever a journal has by way of methods, this one has. */
  get journal(): ShardJournal {
    const ask = (name: string, args: readonly unknown[]): Promise<unknown> => this.#ask(name, args);
    return new Proxy({} as ShardJournal, {
      get: (_, name) =>
        typeof name === 'string' && name !== 'then' ? (...args: unknown[]) => ask(name, args) : undefined,
    });
  }

  named(name: string): readonly JournalRequest[] {
    return this.requests.filter((request) => request.name === name);
  }

  /** The last one of this name, which a held one is. */
  last(name: string): JournalRequest {
    const request = this.named(name).at(-1);
    if (request === undefined) throw new Error(`The journal was not asked to ${name}.`);
    return request;
  }

  #ask(name: string, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request: JournalRequest = {
        name,
        args,
        atMs: performance.now(),
        answer: (value = this.#answerTo(name)) => resolve(value),
        fail: () => reject(new Error('Connection is closed.')),
      };
      this.requests.push(request);
      const error = this.failsWith.get(name);
      if (error !== undefined) reject(error);
      else if (!this.held.has(name)) request.answer();
    });
  }

  #answerTo(name: string): unknown {
    const redisMs = this.#nowMs();
    switch (name) {
      case 'claim':
        return { granted: true, epoch: ++this.#epoch, next: this.state === 'stale' ? 1 : this.state.next, redisMs };
      case 'load':
        return this.state === 'stale' ? 'stale' : { ...this.state, redisMs };
      case 'release':
        return undefined;
      default:
        return { answer: 'ok', redisMs, replays: 0, taken: [], totals: new Map() };
    }
  }
}
