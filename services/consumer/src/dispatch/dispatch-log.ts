import type { Rate } from '../../../../shared/limiter/limiter.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { SharedTrouble } from '../../../../shared/log/shared-trouble.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import type { BreakerState } from '../provider/breaker.ts';
import { platform } from '../provider/breakers.ts';

/**
 * What a person is told about calls that cannot be made, or not as fast as they should: once per reason and minute, and when it is
 * over. Connected accounts are told together, since a revoked platform has thousands of them.
 */
export interface DispatchLog {
  /** `isUnauthorized`: the credential was refused, which `unauthorized` tells of. */
  breaker(account: string, state: BreakerState, reason: string, isUnauthorized?: boolean): void;
  unauthorized(account: string, reason: string): void;
  throttled(account: string, rate: Rate): void;
  /** To be called every so often: the rate of the platform is whole again, or it is not. */
  paced(rate: Rate): void;
}

const about = 'provider';
const rateReason = 'throttled';

/** `now` is monotonic, in milliseconds. */
export function createDispatchLog(log: Logger, now?: () => number): DispatchLog {
  const troubles = new Troubles(log, now);
  const failing = new SharedTrouble(
    troubles,
    {
      reason: 'account_fails',
      message:
        'The billing provider fails for connected accounts: their calls are stopped and their usage waits; the other accounts go on. One call tries each again from time to time.',
    },
    'The billing provider serves every connected account again: their calls go on.',
  );
  const refused = new SharedTrouble(
    troubles,
    {
      reason: 'account_refused',
      level: 'error',
      message:
        'The billing provider refuses a connected account: its usage waits and is not lost, the other accounts go on. Connect it again, or check its id; if every account is refused, STRIPE_API_KEY is not valid any more.',
    },
    'The billing provider refuses no connected account any more.',
  );

  return {
    breaker(account, state, reason, isUnauthorized = false) {
      if (state === 'half_open' || (state === 'open' && isUnauthorized)) return;
      if (account !== platform) {
        if (state === 'open') {
          refused.left(account);
          failing.met(account, reason);
        } else {
          failing.gone(account);
          refused.gone(account);
        }
      } else if (state === 'open') {
        troubles.tell({
          about,
          reason: 'fails',
          message:
            'The billing provider fails: calls are stopped, usage waits in the broker, and none is lost. One call tries it again every few seconds. If it does not end, look at the status page of Stripe, and at proxies and firewalls on the way.',
          fields: { said: reason },
        });
      } else troubles.over(about, 'The billing provider answers again: calls go on.');
    },

    unauthorized(account, reason) {
      if (account !== platform) {
        failing.left(account);
        refused.met(account, reason);
      } else {
        troubles.tell({
          about,
          reason: 'unauthorized',
          level: 'error',
          message:
            'The billing provider does not accept the credential: nothing is billed and nothing is lost, usage waits. Give STRIPE_API_KEY a valid key.',
          fields: { said: reason },
        });
      }
    },

    throttled(account, { perS, pace, lowered }) {
      const fields = { said: lowered?.reason, ratePerS: Math.round(perS), pace: Math.round(pace * 100) / 100 };
      if (account === platform) {
        troubles.tell({
          reason: rateReason,
          message:
            'The billing provider answers 429: the whole cluster calls it less often for now, and climbs back by itself. No usage is lost; bills are later. If it does not end, something else uses the account as well: lower TALLYMAN_STRIPE_SHARE.',
          fields,
        });
        return;
      }
      troubles.note({
        reason: 'account_throttled',
        message:
          'The billing provider answers 429 for a connected account: the whole cluster calls it less often for that account, and climbs back by itself. No usage is lost; its bills are later.',
        fields: { ...fields, account },
      });
    },

    paced({ pace }) {
      if (pace >= 1) troubles.over(rateReason, 'The cluster may call the billing provider at its whole rate again.');
    },
  };
}

/** For /readyz: a consumer stays ready whatever the provider does, and says what it does. */
export function remarksOf(
  trouble: 'fails' | 'unauthorized' | undefined,
  { pace, perS }: Rate,
  closedAccounts: number,
): string[] {
  const remarks: string[] = [];
  if (trouble === 'fails') remarks.push('The billing provider fails: usage waits in the broker.');
  if (trouble === 'unauthorized')
    remarks.push(
      'The billing provider does not accept the credential: usage waits in the broker. Give STRIPE_API_KEY a valid key.',
    );
  if (pace < 1)
    remarks.push(`The billing provider answered 429: the rate is ${Math.round(perS)} calls per second for now.`);
  if (closedAccounts > 0)
    remarks.push(
      `Connected accounts that the provider does not serve: ${closedAccounts}. Their usage waits; the log names them.`,
    );
  return remarks;
}
