/**
 * One call at a time per account, customer and meter.
 *
 * Two views of the same rule. *Executing* is the server's: a second call meanwhile is answered 409. *Waiting* is the
 * client's: from a call's arrival until its answer is written or its connection is closed; a second call meanwhile
 * means that the client itself broke the rule, which is what a test wants to know. They differ when a client gives up:
 * the server goes on executing, and the client's retry gets a 409 without having done anything wrong.
 */
export class Lanes {
  readonly #executing = new Set<string>();
  readonly #waiting = new Map<string, number>();

  isExecuting(lane: string): boolean {
    return this.#executing.has(lane);
  }

  begin(lane: string): void {
    this.#executing.add(lane);
  }

  end(lane: string): void {
    this.#executing.delete(lane);
  }

  /** Answers whether the client waits for another call of this lane already. */
  wait(lane: string): boolean {
    const waiting = this.#waiting.get(lane) ?? 0;
    this.#waiting.set(lane, waiting + 1);
    return waiting > 0;
  }

  leave(lane: string): void {
    const waiting = this.#waiting.get(lane) ?? 0;
    if (waiting > 1) this.#waiting.set(lane, waiting - 1);
    else this.#waiting.delete(lane);
  }
}
