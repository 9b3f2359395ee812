import type { Rate } from '../../../../shared/limiter/limiter.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import type { BreakerState } from '../provider/breaker.ts';
import { platform } from '../provider/breakers.ts';

/** What a person is told about calls that cannot be made, or not as fast as they should. One line per outage, not per call. */
export interface DispatchLog {
  breaker(account: string, state: BreakerState, reason: string): void;
  unauthorized(account: string, reason: string, nowMs: number): void;
  throttled(account: string, rate: Rate, nowMs: number): void;
}

const repeatMs = 60_000;
const throttledRepeatMs = 10_000;

export function createDispatchLog(log: Logger): DispatchLog {
  const failing = new Set<string>();
  const unauthorizedAtMs = new Map<string, number>();
  const throttledAtMs = new Map<string, number>();

  /** At most once in this time per account. */
  function isDue(times: Map<string, number>, account: string, everyMs: number, nowMs: number): boolean {
    if (nowMs - (times.get(account) ?? Number.NEGATIVE_INFINITY) < everyMs) return false;
    for (const [other, atMs] of times) if (nowMs - atMs >= everyMs) times.delete(other);
    times.set(account, nowMs);
    return true;
  }

  return {
    breaker(account, state, reason) {
      // From half open it may open again every few seconds: that is the same outage.
      if (state === 'open' && !failing.has(account)) {
        failing.add(account);
        if (account === platform) {
          log.warn(
            { reason },
            'The billing provider fails: calls are stopped, usage waits in the broker. One call tries it again every few seconds.',
          );
        } else {
          log.warn(
            { reason, account },
            'The billing provider fails for a connected account: its calls are stopped and its usage waits; the other accounts go on. One call tries it again from time to time.',
          );
        }
      }
      if (state !== 'closed' || !failing.delete(account)) return;
      if (account === platform) log.info('The billing provider answers again: calls go on.');
      else log.info({ account }, 'The billing provider serves the connected account again: its calls go on.');
    },

    unauthorized(account, reason, nowMs) {
      if (!isDue(unauthorizedAtMs, account, repeatMs, nowMs)) return;
      if (account === platform) {
        log.error(
          { reason },
          'The billing provider does not accept the credential: nothing is billed and nothing is lost, usage waits. Give STRIPE_API_KEY a valid key.',
        );
      } else {
        log.error(
          { reason, account },
          'The billing provider refuses a connected account: its usage waits and is not lost, the other accounts go on. Connect it again, or check its id; if every account is refused, STRIPE_API_KEY is not valid any more.',
        );
      }
    },

    throttled(account, { perS, pace, lowered }, nowMs) {
      if (!isDue(throttledAtMs, account, throttledRepeatMs, nowMs)) return;
      log.warn(
        {
          reason: lowered?.reason,
          ratePerS: Math.round(perS),
          pace: Math.round(pace * 100) / 100,
          ...(account === platform ? {} : { account }),
        },
        account === platform
          ? 'The billing provider answers 429: the whole cluster calls it less often for now, and climbs back by itself. No usage is lost; bills are later. If it does not end, something else uses the account as well: lower TALLYMAN_STRIPE_SHARE.'
          : 'The billing provider answers 429 for a connected account: the whole cluster calls it less often for that account, and climbs back by itself. No usage is lost; its bills are later.',
      );
    },
  };
}

/** For /readyz: a consumer stays ready whatever the provider does, and says what it does. */
export function remarksOf(isPlatformWell: boolean, { pace, perS }: Rate, closedAccounts: number): string[] {
  const remarks: string[] = [];
  if (!isPlatformWell) remarks.push('The billing provider fails or refuses the credential: usage waits in the broker.');
  if (pace < 1)
    remarks.push(`The billing provider answered 429: the rate is ${Math.round(perS)} calls per second for now.`);
  if (closedAccounts > 0)
    remarks.push(
      `Connected accounts that the provider does not serve: ${closedAccounts}. Their usage waits; the log names them.`,
    );
  return remarks;
}
