import { isRecord } from '../event/fields.ts';

/** What came of one request, below any meaning. */
export type Reply =
  | { readonly kind: 'answer'; readonly status: number; readonly retryAfterMs: number; readonly body: string }
  /** No whole answer. `mayHaveArrived`: the request was, or could have been, on its way. */
  | { readonly kind: 'failure'; readonly mayHaveArrived: boolean; readonly detail: string };

export interface Rejection {
  readonly code: string;
  readonly message: string;
}

/** What a reply means for the events of its request. */
export type Verdict =
  /** Each event is durable, or stands in `rejected` by its place in the request. */
  | { readonly kind: 'sifted'; readonly rejected: ReadonlyMap<number, Rejection> }
  /** 413: nothing was taken; fewer events may be. */
  | { readonly kind: 'too_large'; readonly fault: Rejection }
  /** Worth another try, with the same events. */
  | { readonly kind: 'retry'; readonly afterMs: number; readonly mayBeCounted: boolean; readonly detail: string }
  /** The same request would be answered the same. */
  | { readonly kind: 'refused'; readonly mayBeCounted: boolean; readonly detail: string };

/** Answers with these codes say that nothing of the request was taken. After any other 5xx it is unknown. */
const nothingTaken: ReadonlySet<string> = new Set(['broker_unavailable', 'overloaded']);

/** Total: whatever answers, there is a verdict. `events` is how many the request had. */
export function verdictOf(reply: Reply, events: number): Verdict {
  if (reply.kind === 'failure') {
    return { kind: 'retry', afterMs: 0, mayBeCounted: reply.mayHaveArrived, detail: reply.detail };
  }
  const { status, retryAfterMs: afterMs } = reply;
  const body = parse(reply.body);
  if (status === 202 || status === 400) {
    const rejected = rejectionsIn(body, events);
    if (rejected !== undefined) return { kind: 'sifted', rejected };
  }
  const fault = faultIn(body);
  const detail = `It answered ${status}${fault === undefined ? '.' : ` ${fault.code}: ${fault.message}`}`;
  if (status === 413) return { kind: 'too_large', fault: fault ?? { code: 'body_too_large', message: detail } };
  if (status === 429 || status === 408) return { kind: 'retry', afterMs, mayBeCounted: false, detail };
  if (status >= 500) {
    const mayBeCounted = fault === undefined || !nothingTaken.has(fault.code);
    return { kind: 'retry', afterMs, mayBeCounted, detail };
  }
  if (status < 300) {
    const foreign = `It answered ${status}, but not as a sidecar does: is the address right?`;
    return { kind: 'refused', mayBeCounted: true, detail: foreign };
  }
  return { kind: 'refused', mayBeCounted: false, detail };
}

/** Undefined unless accepted, duplicates and rejected add up to the request, and every place is within it. */
function rejectionsIn(body: unknown, events: number): ReadonlyMap<number, Rejection> | undefined {
  if (!isRecord(body)) return undefined;
  const { accepted, duplicates, rejected } = body;
  if (typeof accepted !== 'number' || typeof duplicates !== 'number' || !Array.isArray(rejected)) return undefined;
  const byIndex = new Map<number, Rejection>();
  for (const item of rejected as readonly unknown[]) {
    if (!isRecord(item)) return undefined;
    const { index, code, message } = item;
    if (typeof index !== 'number' || !(index >= 0 && index < events)) return undefined;
    if (typeof code !== 'string' || typeof message !== 'string') return undefined;
    byIndex.set(index, { code, message });
  }
  return accepted + duplicates + byIndex.size === events ? byIndex : undefined;
}

function faultIn(body: unknown): Rejection | undefined {
  if (!isRecord(body) || !isRecord(body['error'])) return undefined;
  const { code, message } = body['error'];
  return typeof code === 'string' && typeof message === 'string' ? { code, message } : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not the sidecar's own words: a proxy's page, for example. The status alone decides.
    return undefined;
  }
}
