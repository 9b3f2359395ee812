import { isPrivateHost } from './kinds.ts';
import type { Secret } from './secret.ts';

/**
 * What is wrong with a key for this address, in a sentence. A publishable key is public, and refused by Stripe for every call that
 * is made here. Where the address is private a simulator or a proxy listens, which takes what it likes.
 */
export function stripeKeyFault(key: Secret, apiBase: string): string | undefined {
  if (isPrivateHost(new URL(apiBase).hostname)) return undefined;
  const value = key.reveal();
  if (/^[sr]k_/.test(value)) return undefined;
  const what = value.startsWith('pk_')
    ? 'is a publishable key (pk_…), which can neither read meters nor bill'
    : 'is no key of Stripe';
  return `STRIPE_API_KEY ${what}; it must be a restricted key (rk_…) or a secret key (sk_…).`;
}
