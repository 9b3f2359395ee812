import type { Meter } from './meters.ts';

/** The key of an account, customer and meter. Joined: a template's parts would be kept beside it for as long as it is one. */
export function laneOf(account: string, customer: string, meter: Meter): string {
  return [account, customer, meter.id].join('\0');
}

/**
 * One call at a time per account, customer and meter.
 *
 * Two views of the same rule. *Executing* is the server's: a second call meanwhile is answered 409. *Waiting* is the
 * client's: from a call's arrival until its answer is written or its connection is closed; a second call meanwhile
 * means that the client itself broke the rule, which is what a test wants to know. They differ when a client gives up:
 * the server goes on executing, and the client's retry gets a 409 without having done anything wrong.
 *
 * A call that its client gave up can even arrive after its retry: a listener that is overrun drops it, and the kernel sends it
 * again seconds later, its end some 40 ms behind. So that a client waits is taken for proven only when it is answered.
 */
export interface Waiting {
  readonly lane: string;
  /** Calls of its lane that seemed to be waited for when it arrived. */
  readonly rivals: readonly Waiting[];
  state: 'waiting' | 'answered' | 'given up';
}

export class Lanes {
  readonly #executing = new Set<string>();
  readonly #waiting = new Map<string, Set<Waiting>>();

  isExecuting(lane: string): boolean {
    return this.#executing.has(lane);
  }

  begin(lane: string): void {
    this.#executing.add(lane);
  }

  end(lane: string): void {
    this.#executing.delete(lane);
  }

  /** A call has arrived. */
  wait(lane: string): Waiting {
    const others = this.#waiting.get(lane) ?? new Set();
    const waiting: Waiting = { lane, rivals: [...others], state: 'waiting' };
    this.#waiting.set(lane, others.add(waiting));
    return waiting;
  }

  /** Its answer is there; says whether its client had another call of the lane under way when it sent this one. */
  answer(waiting: Waiting): boolean {
    if (waiting.state === 'given up') return false;
    waiting.state = 'answered';
    return waiting.rivals.some(({ state }) => state !== 'given up');
  }

  /** Its client waits no longer: it has the answer, or has gone. */
  leave(waiting: Waiting): void {
    if (waiting.state === 'waiting') waiting.state = 'given up';
    const others = this.#waiting.get(waiting.lane);
    others?.delete(waiting);
    if (others?.size === 0) this.#waiting.delete(waiting.lane);
  }
}
