import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { StripeRefusal, stripeCodes } from './refusal.ts';

/** As at Stripe. */
export const sessionMs = 15 * 60_000;

export interface Session {
  readonly expiresMs: number;
  readonly account?: string;
  readonly livemode: boolean;
}

/**
 * Sessions of the meter event stream. A token carries its session and is signed with a key that is made at the start, so none
 * has to be remembered; after a restart, and at another sidecar, it has expired, and the client makes another, as it must every
 * quarter of an hour.
 */
export class Sessions {
  readonly #key = randomBytes(32);

  tokenOf(session: Session): string {
    const text = Buffer.from(JSON.stringify(session)).toString('base64url');
    return `${text}.${this.#sign(text).toString('base64url')}`;
  }

  /** Throws a `StripeRefusal` when there is no token, or none that holds. */
  read(authorization: string | undefined, nowMs: number): Session {
    const [, text = '', signature = ''] = /^bearer +([\w-]+)\.([\w-]+)$/i.exec(authorization ?? '') ?? [];
    const expected = this.#sign(text);
    const given = Buffer.from(signature, 'base64url');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw expired();
    const session = JSON.parse(Buffer.from(text, 'base64url').toString()) as Session;
    if (nowMs >= session.expiresMs) throw expired();
    return session;
  }

  #sign(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}

function expired(): StripeRefusal {
  const code = 'billing_meter_event_session_expired';
  return new StripeRefusal(
    'The token of the session has expired, or is not of this sidecar. Create another with POST /v2/billing/meter_event_session.',
    { status: stripeCodes[code].status, type: 'temporary_session_expired', code },
  );
}
