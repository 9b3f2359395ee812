import type { BreakerState } from '../../../../services/consumer/src/provider/breaker.ts';
import type { StartedCall } from '../../../../services/consumer/src/dispatch/call.ts';
import type { Outcome } from '../../../../services/consumer/src/provider/provider.ts';
import { Witnesses } from '../../../../services/consumer/src/provider/witnesses.ts';
import type { Process } from '../time/process.ts';
import type { World } from './world.ts';

/** The breaker as `services/consumer/src/provider/breaker.ts` behaves, opening after failures in a row that count, to be short. */
export class ModelBreaker {
  readonly #world: World;
  readonly #process: Process;
  readonly #changed: (state: BreakerState, reason: string) => void;
  #state: BreakerState = 'closed';
  readonly #witnesses = new Witnesses();
  #failuresInARow = 0;
  #reason = '';

  constructor(world: World, process: Process, changed: (state: BreakerState, reason: string) => void) {
    this.#world = world;
    this.#process = process;
    this.#changed = changed;
  }

  get state(): BreakerState {
    return this.#state;
  }

  callEnded({ call: { entry, isKnownToFail }, startedAtMs }: StartedCall, outcome: Outcome): void {
    if (outcome.kind === 'accepted') this.#witnesses.accepted(entry, this.#process.nowMs);
    let failed = outcome.kind === 'unauthorized';
    if (outcome.kind === 'unsent' || outcome.kind === 'unknown') {
      failed = this.#witnesses.failureCounts(entry, startedAtMs, isKnownToFail, this.#state === 'closed');
      if (!failed) return;
    }
    this.#failuresInARow = failed ? this.#failuresInARow + 1 : 0;
    if ('reason' in outcome) this.#reason = outcome.reason;
    switch (this.#state) {
      case 'closed':
        if (outcome.kind === 'unauthorized' || this.#failuresInARow >= this.#world.profile.breakerFailures)
          this.#open();
        break;
      case 'half_open':
        if (failed) this.#open();
        else this.#set('closed');
        break;
      case 'open':
        break;
    }
  }

  #open(): void {
    this.#world.tally.add('breaker opened');
    this.#set('open');
    this.#process.after(this.#world.profile.breakerResetMs, () => this.#set('half_open'));
  }

  #set(state: BreakerState): void {
    this.#state = state;
    this.#changed(state, this.#reason);
  }
}
