import { setTimeout as sleep } from 'node:timers/promises';
import type { Troubles } from '../../../../shared/log/troubles.ts';
import { messageOf } from '../../../../shared/network/fault.ts';
import { delayMs } from '../../../../shared/retry/delay.ts';
import type { Membership } from './membership.ts';

/** Soon, since a halted member's shards are free after a lease. */
const retryPolicy = { baseMs: 50, maxMs: 2_000 };
const reason = 'distrust';

/** Tells the other members that Redis has lost writes, for as long as it takes: Redis may be away just now. */
export async function distrust(
  membership: Membership,
  incarnation: string,
  troubles: Troubles,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      await membership.distrust(incarnation);
      troubles.over(reason, 'The other consumers know now that Redis has lost writes.');
      return;
    } catch (error) {
      troubles.tell({
        reason,
        message: 'The other consumers could not be told that Redis has lost writes; trying again.',
        fields: { cause: messageOf(error) },
      });
      const pauseMs = delayMs(retryPolicy, failures, Math.random());
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
