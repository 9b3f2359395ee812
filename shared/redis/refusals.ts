import type { Troubles } from '../log/troubles.ts';
import { messageOf } from '../network/fault.ts';
import { redisFault } from './redis-fault.ts';
import type { ScriptListener } from './script.ts';

const about = 'redis_refuses';
/** What is refused is repeated sooner than this; what was not repeated is nobody's any more. */
const forgottenMs = 10_000;

/**
 * Tells that Redis answers writes with an error: its memory is full, it is a replica, a right is missing. The connection is fine
 * then, so that nothing else says why no usage is billed.
 */
export class RedisRefusals implements ScriptListener {
  readonly #troubles: Troubles;
  readonly #now: () => number;
  readonly #refusedAtMs = new Map<string, number>();
  #listener: (isOn: boolean) => void = () => undefined;

  /** `now` is monotonic, in milliseconds. */
  constructor(troubles: Troubles, now: () => number = () => performance.now()) {
    this.#troubles = troubles;
    this.#now = now;
  }

  get isOn(): boolean {
    return this.#refusedAtMs.size > 0;
  }

  /** Called when writes are refused, and when they are all taken again. */
  onChange(listener: (isOn: boolean) => void): void {
    this.#listener = listener;
  }

  refused(script: string, error: Error): void {
    if (!this.isOn) this.#listener(true);
    this.#refusedAtMs.set(script, this.#now());
    const { reason, words } = redisFault(error);
    this.#troubles.tell({
      about,
      reason,
      level: 'error',
      message: `Redis refuses writes: ${words} Nothing is sealed or billed; usage waits in the broker, and none is lost.`,
      fields: { refused: [...this.#refusedAtMs.keys()], cause: messageOf(error) },
      remark: `Redis refuses writes: ${words}`,
    });
  }

  carriedOut(script: string): void {
    if (this.#refusedAtMs.size === 0) return;
    const nowMs = this.#now();
    this.#refusedAtMs.delete(script);
    for (const [other, atMs] of this.#refusedAtMs) if (nowMs - atMs >= forgottenMs) this.#refusedAtMs.delete(other);
    if (this.isOn) return;
    this.#troubles.over(about, 'Redis takes writes again.');
    this.#listener(false);
  }
}
