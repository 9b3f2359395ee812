import { hash } from 'node:crypto';
import { StripeRefusal } from './refusal.ts';

/** What is remembered of the first request with an idempotency key. */
export interface First {
  readonly fingerprint: string;
  readonly createdMs: number;
}

interface Limits {
  readonly keysMax: number;
  readonly ageMs: number;
}

/**
 * Idempotency keys of late, so that the automatic repetition by a Stripe client is told from a second event with the same
 * identifier: the first is answered like its original, the second is refused. Bounded like the ids of events: two generations
 * of at most `keysMax` keys, each for at most `ageMs`.
 */
export class IdempotencyKeys {
  readonly #limits: Limits;
  #young = new Map<string, First>();
  #old: ReadonlyMap<string, First> = new Map();
  #youngSinceMs: number;

  constructor(limits: Limits, nowMs: number) {
    this.#limits = limits;
    this.#youngSinceMs = nowMs;
  }

  /**
   * Remembers the first request with a key. Answers with it when this is a repetition, which is undefined for the first itself.
   * Throws a `StripeRefusal` when the key was used for something else. `nowMs` is monotonic.
   */
  enter(key: string, request: string, createdMs: number, nowMs: number): First | undefined {
    if (this.#young.size >= this.#limits.keysMax || nowMs - this.#youngSinceMs >= this.#limits.ageMs) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngSinceMs = nowMs;
    }
    const fingerprint = digest(request);
    const first = this.#young.get(key) ?? this.#old.get(key);
    if (first === undefined) {
      this.#young.set(key, { fingerprint, createdMs });
      return undefined;
    }
    if (first.fingerprint === fingerprint) return first;
    throw new StripeRefusal(
      'This Idempotency-Key was used with other parameters before. Keys are for repetitions of the same request.',
      { type: 'idempotency_error' },
    );
  }

  /** The request with this key was refused: what is sent next with it is another one. */
  forget(key: string): void {
    this.#young.delete(key);
  }
}

/** A key belongs to an account. Fixed in size, however long the key is. */
export function keyOf(account: string | undefined, idempotencyKey: string): string {
  return digest(`${account ?? ''}\0${idempotencyKey}`);
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url');
}
