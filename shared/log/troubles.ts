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
}

/** From when on it lasted, and how often it was met. */
export interface Ended {
  readonly since: string;
  readonly lastedS: number;
  readonly times: number;
}

interface Known {
  trouble: Trouble;
  isOver: boolean;
  sinceMs: number;
  startedMs: number;
  times: number;
  loggedMs: number;
  /** A line was written since it began: only then its end is news. */
  wasTold: boolean;
}

const repeatMs = 60_000;
/** Beyond this the one that was met first is forgotten, and told anew. */
const reasonsMax = 1_000;

/**
 * What is wrong now, each told in the log when it begins, once a minute while it is met, and when it is over. A trouble that
 * comes and goes is told once a minute too. The remarks of what lasts are for `/readyz`.
 */
export class Troubles {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();

  /** `now` is monotonic, in milliseconds. */
  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  tell(trouble: Trouble): void {
    const nowMs = this.#now();
    const known = this.#known.get(trouble.reason) ?? this.#add(trouble);
    if (known.isOver)
      Object.assign(known, { isOver: false, sinceMs: Date.now(), startedMs: nowMs, times: 0, wasTold: false });
    known.trouble = trouble;
    known.times++;
    if (nowMs - known.loggedMs < repeatMs) return;
    const { reason, level = 'warn', message, fields } = trouble;
    const repeated = known.wasTold ? endedOf(known, nowMs) : {};
    this.#log[level]({ reason, ...fields, ...repeated }, message);
    known.loggedMs = nowMs;
    known.wasTold = true;
  }

  /** It is over: logs the message, if its beginning was logged, and answers how long it lasted; undefined if there was none. */
  over(reason: string, message: string, fields?: Readonly<Record<string, unknown>>): Ended | undefined {
    const known = this.#known.get(reason);
    if (known === undefined || known.isOver) return undefined;
    known.isOver = true;
    const ended = endedOf(known, this.#now());
    if (known.wasTold) this.#log.info({ reason, ...ended, ...fields }, message);
    return ended;
  }

  isOn(reason: string): boolean {
    return this.#known.get(reason)?.isOver === false;
  }

  /** What is wrong now, as sentences. */
  get remarks(): readonly string[] {
    const lasting = [...this.#known.values()].filter(({ isOver }) => !isOver);
    return lasting.map(({ trouble }) => trouble.remark ?? trouble.message);
  }

  #add(trouble: Trouble): Known {
    const [first] = this.#known.keys();
    if (first !== undefined && this.#known.size >= reasonsMax) this.#known.delete(first);
    const known = { trouble, isOver: true, sinceMs: 0, startedMs: 0, times: 0, loggedMs: -Infinity, wasTold: false };
    this.#known.set(trouble.reason, known);
    return known;
  }
}

function endedOf({ sinceMs, startedMs, times }: Known, nowMs: number): Ended {
  return { since: new Date(sinceMs).toISOString(), lastedS: Math.round((nowMs - startedMs) / 1_000), times };
}

/** "1 event", "2 events", "2 entries": a number never stands beside the wrong form of its noun. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
