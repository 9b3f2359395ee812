import { inspect } from 'node:util';

const redacted = '[redacted]';
const rereadMs = 1_000;

export type ReadFile = (path: string) => string;

/**
 * A value that must never be printed: text, JSON and `inspect` show `[redacted]`. It is read where it is used, by
 * `reveal()`, and not copied: a secret that stands in a file is read again at most once a second, so that a rotated
 * credential is taken without a restart.
 *
 * A file that has become unreadable, or holds what this secret may not be, leaves the last good value in place: half
 * a rotation must not stop usage.
 */
export class Secret {
  #value: string;
  #readAt = 0;
  readonly #reread: (() => string | undefined) | undefined;
  readonly #now: () => number;

  constructor(value: string, reread?: () => string | undefined, now: () => number = () => performance.now()) {
    this.#value = value;
    this.#reread = reread;
    this.#now = now;
    if (reread !== undefined) this.#readAt = now();
  }

  /** The value as it is now. Reads the file, synchronously, if that was last done more than a second ago. */
  reveal(): string {
    if (this.#reread === undefined) return this.#value;
    const now = this.#now();
    if (now - this.#readAt >= rereadMs) {
      this.#readAt = now;
      this.#value = this.#reread() ?? this.#value;
    }
    return this.#value;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspect.custom](): string {
    return redacted;
  }
}
