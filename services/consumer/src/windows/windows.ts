import type { Logger } from '../../../../shared/log/log.ts';
import type { Troubles } from '../../../../shared/log/troubles.ts';
import { type WindowLimits, WindowPolicy } from './window-policy.ts';

const overBudgetReason = 'demand_over_budget';

/** What a consumer can say about the whole cluster from its own part: lanes are spread over the shards by a hash. */
export interface ClusterDemand {
  /** Of the shards that are owned. */
  readonly demandPerS: number;
  readonly owned: number;
  readonly shards: number;
  /** Of the whole cluster. */
  readonly budgetPerS: number;
}

/** The windows of one consumer's shards. Looked at every second. */
export class Windows {
  readonly #policy: WindowPolicy;
  readonly #log: Logger;
  readonly #troubles: Troubles;
  #ratio = 0;

  constructor(limits: WindowLimits, log: Logger, troubles: Troubles) {
    this.#policy = new WindowPolicy(limits);
    this.#log = log;
    this.#troubles = troubles;
  }

  get windowMs(): number {
    return this.#policy.windowMs;
  }

  /** Demand over budget: above 1 the backlog grows. */
  get capacityRatio(): number {
    return this.#ratio;
  }

  /** The new length, when it changes. */
  look({ demandPerS, owned, shards, budgetPerS }: ClusterDemand, nowMs: number): number | undefined {
    if (owned === 0) {
      this.#ratio = 0;
      this.#troubles.over(overBudgetReason);
      return undefined;
    }
    const ofCluster = (demandPerS * shards) / owned;
    this.#ratio = ofCluster / budgetPerS;
    const beforeMs = this.windowMs;
    const changedMs = this.#policy.look({ demandPerS: ofCluster, budgetPerS }, nowMs);
    if (changedMs !== undefined) this.#tell(beforeMs, changedMs, ofCluster, budgetPerS);
    else if (this.#ratio > 1 && this.#policy.isCoarsest) this.#warn(ofCluster, budgetPerS);
    if (this.#ratio <= 1) this.#troubles.over(overBudgetReason, 'The billing provider takes calls for all keys again.');
    return changedMs;
  }

  #tell(fromMs: number, toMs: number, demandPerS: number, budgetPerS: number): void {
    const numbers = {
      fromMs,
      windowMs: toMs,
      demandPerS: Math.round(demandPerS),
      budgetPerS: Math.round(budgetPerS),
    };
    if (toMs > fromMs) {
      this.#log.warn(
        numbers,
        'Usage has more keys than the billing provider takes calls for: event-time windows are longer from now on. Totals stay exact, but usage of one window is billed at the time of its newest event, so up to windowMs of usage before the end of a billing period may be billed in the next one.',
      );
    } else {
      this.#log.info(
        numbers,
        'Event-time windows are shorter again, since there is room: at the end of a billing period usage is billed closer to its own time.',
      );
    }
  }

  #warn(demandPerS: number, budgetPerS: number): void {
    this.#troubles.tell({
      reason: overBudgetReason,
      level: 'error',
      message:
        'Usage has more keys than the billing provider takes calls for, even in the longest windows: nothing is lost, but the backlog grows and bills are later and later. Raise TALLYMAN_WINDOW_MAX_MS, use fewer customers, meters and dimensions, or ask the provider for a higher rate.',
      fields: { demandPerS: Math.round(demandPerS), budgetPerS: Math.round(budgetPerS), windowMs: this.windowMs },
    });
  }
}
