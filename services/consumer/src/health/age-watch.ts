import type { Troubles } from '../../../../shared/log/troubles.ts';

/** Of the shards that this consumer owns. */
export interface Ages {
  readonly oldestHeldMs: number;
  readonly oldestAttemptMs: number;
  /** Event ids that were forgotten before their window was over, since the start. */
  readonly idsForgottenEarly: number;
}

/** As the alerts have them (k8s/components/prometheus). */
const heldLongMs = 15 * 60_000;
const attemptLongMs = 12 * 3_600_000;

/** Tells what lasts longer than it should, though nothing fails that would say so itself. */
export class AgeWatch {
  readonly #troubles: Troubles;
  #forgottenBefore = 0;

  constructor(troubles: Troubles) {
    this.#troubles = troubles;
  }

  /** To be called every so often. */
  look({ oldestHeldMs, oldestAttemptMs, idsForgottenEarly }: Ages): void {
    if (oldestHeldMs > heldLongMs) {
      this.#troubles.tell({
        reason: 'usage_held_long',
        message:
          'Usage has been held for more than 15 minutes: it is billed later, and none is lost. See what the provider and Redis answer; if both are well, add consumers.',
        fields: { heldS: Math.round(oldestHeldMs / 1_000) },
      });
    } else this.#troubles.over('usage_held_long', 'Usage is sealed in time again.');
    if (oldestAttemptMs > attemptLongMs) {
      this.#troubles.tell({
        reason: 'outcome_unknown_long',
        level: 'error',
        message:
          'A call has had no certain answer for 12 hours: at 23 hours its entry is parked in doubt. Make the provider reachable before then.',
        fields: { ageH: Math.round(oldestAttemptMs / 3_600_000) },
      });
    } else this.#troubles.over('outcome_unknown_long', 'Every call of the last 12 hours has a certain answer again.');
    const forgotten = idsForgottenEarly - this.#forgottenBefore;
    this.#forgottenBefore = idsForgottenEarly;
    if (forgotten <= 0) return;
    this.#troubles.note(
      {
        reason: 'ids_forgotten_early',
        message:
          'Event ids are forgotten before the dedup window is over, since there are too many: a late retry of a client could count twice. Raise TALLYMAN_DEDUP_MAX_IDS.',
      },
      forgotten,
    );
  }
}
