import type { Logger } from '../../../../shared/log/log.ts';
import { counted, type Trouble, Troubles } from '../../../../shared/log/troubles.ts';
import { platform } from '../provider/breakers.ts';
import { MetersUnreadable } from '../provider/provider.ts';

/** Which lists of meters cannot be read now, and what a person is told of it: in the log, in `/readyz`, in a metric. */
export interface UnreadLists {
  /** Accounts whose list cannot be read; the platform's own is one of them. */
  readonly count: number;
  readonly remarks: readonly string[];
  /** `isKnown`: there is an older list, by which usage is counted. */
  failed(account: string, error: unknown, isKnown: boolean): void;
  /** It was read, by this consumer or by another one. */
  read(account: string): void;
}

/** So many connected accounts are told of one by one, the others by their number. */
const namedMax = 20;

export function createUnreadLists(log: Logger, now?: () => number): UnreadLists {
  const own = new Troubles(log, now);
  const connected = new Troubles(log, now);
  const failing = new Set<string>();

  return {
    get count() {
      return failing.size;
    },

    get remarks() {
      const accounts = failing.size - (failing.has(platform) ? 1 : 0);
      if (accounts === 0) return own.remarks;
      const remark = `The meters of ${counted(accounts, 'connected account')} cannot be read: usage that needs them waits. The log names them.`;
      return [...own.remarks, remark];
    },

    failed(account, error, isKnown) {
      const reason = error instanceof Error ? error.message : String(error);
      failing.add(account);
      if (account === platform) own.tell(ownTrouble(error, reason, isKnown));
      else if (failing.size <= namedMax) connected.tell(connectedTrouble(account, reason, isKnown));
      else
        connected.tell({
          reason: 'meters_of_many_accounts_unreadable',
          message:
            'The meters of many connected accounts cannot be read: usage that needs them is kept and waits, the others go on. Trying again.',
          fields: { accounts: failing.size, answer: reason, examples: [...failing].slice(0, 10) },
        });
    },

    read(account) {
      if (!failing.delete(account)) return;
      if (account === platform) own.over('meters', 'The meters can be read from the billing provider again.');
      else
        connected.over(account, 'The meters of a connected account can be read again: its usage goes on.', { account });
      if (failing.size === 0) connected.over('meters_of_many_accounts_unreadable');
    },
  };
}

function ownTrouble(error: unknown, answer: string, isKnown: boolean): Trouble {
  const common = { about: 'meters', level: 'error', fields: { answer } } as const;
  if (error instanceof MetersUnreadable && error.isKeyRefused) {
    return {
      ...common,
      reason: 'stripe_key_refused',
      message: isKnown
        ? 'The billing provider refuses STRIPE_API_KEY: usage waits, none is lost. Give a key that may read meters and write meter events.'
        : 'The billing provider refuses STRIPE_API_KEY, so nothing is counted or billed: usage waits in the broker, none is lost. Give a key that may read meters and write meter events.',
    };
  }
  if (!isKnown) return { ...common, reason: 'meters_unknown', message: metersUnknown };
  return {
    ...common,
    level: 'warn',
    reason: 'meters_unreadable',
    message:
      'The meters cannot be read from the billing provider: usage of known meters is billed, that of new ones waits. Trying again; if it does not end, check STRIPE_API_KEY and STRIPE_API_BASE.',
  };
}

function connectedTrouble(account: string, answer: string, isKnown: boolean): Trouble {
  return {
    about: account,
    reason: 'account_meters_unreadable',
    message: isKnown
      ? 'The meters of a connected account cannot be read: its usage of known meters is billed, that of new ones waits. Trying again; check its connection.'
      : 'The meters of a connected account cannot be read: its usage is kept and waits, the other accounts go on. Trying again; connect it again, or check its id.',
    fields: { account, answer },
  };
}

/** In the log and in /readyz. */
export const metersUnknown =
  'The meters cannot be read from the billing provider, so nothing is counted: usage waits in the broker, none is lost. Trying again; check STRIPE_API_KEY and STRIPE_API_BASE.';
