import { hash } from 'node:crypto';
import { type Answer, idempotencyInUse, idempotencyMismatch } from './answers.ts';
import type { Call } from './call.ts';
import { Memory } from './memory.ts';

interface Saved {
  readonly fingerprint: string;
  readonly answer: Answer;
  readonly requestId: string;
}

export const idempotencyKeyMax = 255;
const dayMs = 86_400_000;

/**
 * Answers by idempotency key, replayed for 24 hours: whatever an endpoint answered once it had begun, 400s and 500s
 * included. What is answered before that (401, 429, 409, malformed) leaves no trace here.
 */
export class IdempotencyKeys {
  /** `Saved` as JSON. */
  readonly #saved: Memory;
  readonly #inUse = new Set<string>();

  constructor(entriesMax: number) {
    this.#saved = new Memory({ lifetimeMs: dayMs, entriesMax });
  }

  get size(): number {
    return this.#saved.size;
  }

  /** What the key has to say to this call; undefined: the key is new and the endpoint may begin. */
  answerFor(key: string, call: Call, nowMs: number): Answer | undefined {
    if (this.#inUse.has(key)) return idempotencyInUse();
    const text = this.#saved.get(key, nowMs);
    if (text === undefined) return undefined;
    const saved = JSON.parse(text) as Saved;
    return saved.fingerprint === fingerprintOf(call) ? replayOf(saved) : idempotencyMismatch();
  }

  begin(key: string): void {
    this.#inUse.add(key);
  }

  end(key: string, call: Call, answer: Answer, requestId: string, nowMs: number): void {
    this.#inUse.delete(key);
    const saved: Saved = { fingerprint: fingerprintOf(call), answer, requestId };
    this.#saved.set(key, JSON.stringify(saved), nowMs);
  }
}

function replayOf({ answer, requestId }: Saved): Answer {
  return { ...answer, headers: { ...answer.headers, 'idempotent-replayed': 'true', 'original-request': requestId } };
}

/** A key belongs to an account. Only POSTs have one. */
export function keyOf({ method, account = '', idempotencyKey }: Call): string | undefined {
  return method === 'POST' && idempotencyKey !== undefined && idempotencyKey !== ''
    ? `${account}\0${idempotencyKey}`
    : undefined;
}

function fingerprintOf({ path, body }: Call): string {
  return hash('sha1', `${path}\n${body}`, 'base64');
}
