import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { newEventId } from '../../../../../shared/event/event-id.ts';
import { refusal } from './refusal.ts';

/** What the head of a request says, as Stripe reads it. */
export interface Call {
  readonly requestId: string;
  readonly account: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** As Stripe tells it: by the key. */
  readonly livemode: boolean;
}

export const idempotencyKeyCharsMax = 255;

export function newRequestId(nowMs: number): string {
  return `req_${newEventId(nowMs).replaceAll('-', '')}`;
}

/** Throws a `StripeRefusal`. */
export function readCall({ headers }: IncomingMessage): Call {
  const idempotencyKey = textOf(headers['idempotency-key']);
  if (idempotencyKey !== undefined && idempotencyKey.length > idempotencyKeyCharsMax) {
    throw refusal(
      'parameter_invalid_string',
      `The Idempotency-Key has ${idempotencyKey.length} characters; it may have at most ${idempotencyKeyCharsMax}.`,
    );
  }
  return {
    requestId: newRequestId(Date.now()),
    account: accountOf(headers),
    idempotencyKey,
    livemode: /^bearer +(?:sk|rk)_live_/i.test(headers.authorization ?? ''),
  };
}

/** `Stripe-Context` is the newer name. A context of several parts has no account that usage could be sent for. */
function accountOf(headers: IncomingHttpHeaders): string | undefined {
  const account = textOf(headers['stripe-account']);
  const context = textOf(headers['stripe-context']);
  if (context?.includes('/') === true || (account !== undefined && context !== undefined && account !== context)) {
    const got = `Stripe-Account ${JSON.stringify(account)}, Stripe-Context ${JSON.stringify(context)}`;
    throw refusal('account_invalid', `Got ${got}; usage is sent for one account, without a path.`, 'Stripe-Context');
  }
  return account ?? context;
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  const text = typeof header === 'string' ? header : header?.[0];
  return text === '' ? undefined : text;
}
