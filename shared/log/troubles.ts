import type { Logger } from './log.ts';

/** What is wrong, in words that stay the same; what varies is in `fields`. */
export interface Trouble {
  /** What it is told once a minute for: from a small set, since each one is remembered. */
  readonly reason: string;
  readonly message: string;
  /** `warn`: nothing is lost and it ends by itself. `error`: a person has to do something. */
  readonly level?: 'warn' | 'error';
  readonly fields?: Readonly<Record<string, unknown>>;
  /** For `/readyz`, while it lasts; the message if not given. */
  readonly remark?: string;
  /** What it is about, if that can be wrong for several reasons: the newest one takes the place of the one before. */
  readonly about?: string;
}

/** From when on it lasted, and how often it was met. */
export interface Ended {
  readonly since: string;
  readonly lastedS: number;
  readonly times: number;
}

interface Lasting {
  trouble: Trouble;
  readonly sinceMs: number;
  readonly startedMs: number;
  times: number;
  /** A line was written of it: only then its end is news. */
  wasTold: boolean;
}

const repeatMs = 60_000;
/** Beyond this the one that was met first is forgotten, and told anew. */
const reasonsMax = 1_000;

/**
 * What is wrong now: each reason is told in the log when it begins, once a minute while it is met, and when it is over. What comes
 * and goes is told once a minute too. The remarks of what lasts are for `/readyz`.
 */
export class Troubles {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #lasting = new Map<string, Lasting>();
  readonly #noted = new Map<string, { loggedMs: number; times: number }>();
  readonly #loggedMs = new Map<string, number>();

  /** `now` is monotonic, in milliseconds. */
  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  tell(trouble: Trouble): void {
    const { reason, about = reason, level = 'warn', message, fields } = trouble;
    const nowMs = this.#now();
    const start = { trouble, sinceMs: Date.now(), startedMs: nowMs, times: 0, wasTold: false };
    const lasting = this.#lasting.get(about) ?? start;
    bounded(this.#lasting).set(about, lasting);
    lasting.trouble = trouble;
    lasting.times++;
    const key = `${about} ${reason}`;
    if (nowMs - (this.#loggedMs.get(key) ?? -Infinity) < repeatMs) return;
    bounded(this.#loggedMs).set(key, nowMs);
    this.#log[level]({ reason, ...fields, ...(lasting.wasTold ? endedOf(lasting, nowMs) : {}) }, message);
    lasting.wasTold = true;
  }

  /** What has happened and does not last, such as an entry that died: told once a minute, with how often since the last line. */
  note({ reason, level = 'warn', message, fields }: Omit<Trouble, 'remark' | 'about'>, times = 1): void {
    const nowMs = this.#now();
    const noted = this.#noted.get(reason) ?? { loggedMs: -Infinity, times: 0 };
    noted.times += times;
    bounded(this.#noted).set(reason, noted);
    if (nowMs - noted.loggedMs < repeatMs) return;
    this.#log[level]({ reason, ...fields, times: noted.times }, message);
    Object.assign(noted, { loggedMs: nowMs, times: 0 });
  }

  /**
   * It is over, whatever the reason was: logs the message, if there is one and its beginning was logged, and answers how long it
   * lasted; undefined if there was none. Without a message the caller says it.
   */
  over(about: string, message?: string, fields?: Readonly<Record<string, unknown>>): Ended | undefined {
    const lasting = this.#lasting.get(about);
    if (lasting === undefined) return undefined;
    this.#lasting.delete(about);
    const ended = endedOf(lasting, this.#now());
    if (lasting.wasTold && message !== undefined)
      this.#log.info({ reason: lasting.trouble.reason, ...ended, ...fields }, message);
    return ended;
  }

  isOn(about: string): boolean {
    return this.#lasting.has(about);
  }

  /** What is wrong now, as sentences. */
  get remarks(): readonly string[] {
    return [...this.#lasting.values()].map(({ trouble }) => trouble.remark ?? trouble.message);
  }
}

function bounded<T>(map: Map<string, T>): Map<string, T> {
  const [first] = map.keys();
  if (first !== undefined && map.size >= reasonsMax) map.delete(first);
  return map;
}

function endedOf({ sinceMs, startedMs, times }: Lasting, nowMs: number): Ended {
  return { since: new Date(sinceMs).toISOString(), lastedS: Math.round((nowMs - startedMs) / 1_000), times };
}

/** "1 event", "2 events", "2 entries": a number never stands beside the wrong form of its noun. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
