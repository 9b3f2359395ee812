import { messageOf } from '../network/fault.ts';
import type { Trouble, Troubles } from './troubles.ts';

const shownMax = 20;

/**
 * One trouble that several may have at the same time, such as the shards of a consumer: told for all of them together, and over when
 * none has it any more. The line names the last of them.
 */
export class SharedTrouble {
  readonly #troubles: Troubles;
  readonly #trouble: Trouble;
  readonly #overMessage: string;
  readonly #troubled = new Set<string>();

  constructor(troubles: Troubles, trouble: Trouble, overMessage: string) {
    this.#troubles = troubles;
    this.#trouble = trouble;
    this.#overMessage = overMessage;
  }

  met(subject: string, error: unknown): void {
    // The newest is the last, and so among those that are shown.
    this.#troubled.delete(subject);
    this.#troubled.add(subject);
    const cause = messageOf(error);
    const { remark = this.#trouble.message } = this.#trouble;
    this.#troubles.tell({
      ...this.#trouble,
      fields: { ...this.#trouble.fields, count: this.#troubled.size, of: [...this.#troubled].slice(-shownMax), cause },
      remark: `${remark} (${cause})`,
    });
  }

  /** It is well again. */
  gone(subject: string): void {
    this.#end(subject, this.#overMessage);
  }

  /** It is not ours any more, well or not: where it was the last one, that is no success to tell of. */
  left(subject: string): void {
    this.#end(subject);
  }

  #end(subject: string, message?: string): void {
    if (this.#troubled.delete(subject) && this.#troubled.size === 0)
      this.#troubles.over(this.#trouble.about ?? this.#trouble.reason, message);
  }
}
