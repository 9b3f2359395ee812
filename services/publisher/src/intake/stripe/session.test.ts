import { describe, expect, it } from 'vitest';
import { StripeRefusal } from './refusal.ts';
import { Sessions } from './session.ts';

const session = { expiresMs: 1_000, account: 'acct_1', livemode: false };

describe('the token of a session', () => {
  it('carries its session until it expires', () => {
    const sessions = new Sessions();
    const token = sessions.tokenOf(session);
    expect(sessions.read(`Bearer ${token}`, 999)).toEqual(session);
    expect(() => sessions.read(`Bearer ${token}`, 1_000)).toThrow(StripeRefusal);
  });

  it('is of no use elsewhere, or changed', () => {
    const sessions = new Sessions();
    const token = sessions.tokenOf(session);
    const later = Buffer.from(JSON.stringify({ ...session, expiresMs: 9e15 })).toString('base64url');
    const forged = `${later}.${token.split('.')[1]}`;
    expect(() => new Sessions().read(`Bearer ${token}`, 0)).toThrow(StripeRefusal);
    for (const wrong of [
      undefined,
      '',
      'Bearer',
      token,
      `Bearer ${token}x`,
      `Bearer ${forged}`,
      'Bearer a.b',
      `Basic ${token}`,
    ]) {
      expect(() => sessions.read(wrong, 0), wrong).toThrow(
        expect.objectContaining({ status: 401, code: 'billing_meter_event_session_expired' }),
      );
    }
  });
});
