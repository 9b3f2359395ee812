import type { Readiness } from '../../../shared/http/server.ts';
import type { State } from '../../../shared/lifecycle/lifecycle.ts';

/** What `/readyz` of a consumer is made of. */
export interface Condition {
  readonly state: State;
  readonly isMember: boolean;
  readonly haltedFor: string | undefined;
  readonly awaitsProvider: boolean;
  readonly hasBroker: boolean;
  readonly hasRedis: boolean;
  readonly redisRefuses: boolean;
  readonly remarks: readonly string[];
}

export function readinessOf(condition: Condition): Readiness {
  const { state, isMember, haltedFor, awaitsProvider, hasBroker, hasRedis, redisRefuses, remarks } = condition;
  const reasons: string[] = [];
  if (state === 'draining') reasons.push('It is draining.');
  if (haltedFor !== undefined) reasons.push(haltedFor);
  if (!hasBroker) reasons.push('There is no connection to the broker.');
  if (!hasRedis) reasons.push('There is no connection to Redis.');
  if (redisRefuses) reasons.push('Redis refuses writes.');
  // Not for want of the meters or of a key: the provider's state never changes readiness, or no rollout would end while it is away.
  if (reasons.length === 0 && !isMember && !awaitsProvider)
    reasons.push('It is not a member of the cluster yet; usage waits in the broker. Was tallyman topology run?');
  return { ready: reasons.length === 0, state, reasons, remarks: [...new Set(remarks)] };
}
