/**
 * What a call to Stripe came to. Total: every value and every error that can come out of the `stripe` package, and
 * any other, is one outcome. Where nobody can say whether the provider processed the call, the outcome is `unknown`:
 * repeating it with the same identifier is harmless, calling it refused or accepted is not.
 */
import Stripe from 'stripe';
import { CallError, UnreadableBody } from './http-client.ts';
import { limitReasons, type Outcome } from './provider.ts';

const reasonLengthMax = 500;
/** Stripe's own 4xx that say nothing about the entry: request timeout, failed dependency, too early. */
const unresolvedStatuses: ReadonlySet<number> = new Set([408, 424, 425]);

/** `seen`: what the package resolved with, or what it threw. */
export function classify(seen: unknown): Outcome {
  if (seen instanceof Stripe.errors.StripeConnectionError) return brokenCall(seen);
  if (seen instanceof Stripe.errors.StripeError) return stripeError(seen);
  if (seen instanceof Error) return { kind: 'unknown', reason: cut(`${seen.name}: ${seen.message}`) };
  return answer(seen);
}

function brokenCall(error: Stripe.errors.StripeError): Outcome {
  // The package's own words say nothing about the cause; `detail` is what the HTTP client threw.
  const { detail } = error;
  const reason = cut(detail instanceof Error ? detail.message : error.message);
  return detail instanceof CallError && !detail.sent ? { kind: 'unsent', reason } : { kind: 'unknown', reason };
}

/** An answer with an `error` in its body. */
function stripeError(error: Stripe.errors.StripeError): Outcome {
  const status = error.statusCode ?? 0;
  const text = error.message === '' ? 'no message' : error.message;
  const reason = cut(`${error.code ?? error.rawType ?? error.type}: ${text}`);
  if (isDuplicate(error, status)) return { kind: 'accepted' };
  const limited = throttled(status, error.code, error.headers?.['stripe-rate-limited-reason'], reason);
  if (limited !== undefined) return limited;
  if (status === 401 || status === 403) return { kind: 'unauthorized', reason };
  if (status === 400 && error.code === 'timestamp_in_future') return { kind: 'early', reason };
  if (isRefusal(error, status)) return { kind: 'refused', reason };
  return { kind: 'unknown', reason: `HTTP ${status}, ${reason}` };
}

/** An answer without an `error` in its body: Stripe's success, or the page of somebody between Stripe and us. */
function answer(seen: unknown): Outcome {
  const status = statusOf(seen);
  if (status >= 200 && status < 300 && isMeterEvent(seen)) return { kind: 'accepted' };
  const reason = cut(`HTTP ${status} without Stripe's answer: ${excerptOf(seen)}`);
  const limited = throttled(status, undefined, undefined, reason);
  if (limited !== undefined) return limited;
  if (status === 401 || status === 403) return { kind: 'unauthorized', reason };
  return { kind: 'unknown', reason };
}

/** The same identifier was there already (v1: 400 without a code, stripe.com/docs/api/billing/meter-event). */
function isDuplicate(error: Stripe.errors.StripeError, status: number): boolean {
  if (status !== 400) return false;
  return (
    error.code === 'duplicate_meter_event' || /event already exists|already exists with identifier/i.test(error.message)
  );
}

function throttled(
  status: number,
  code: string | undefined,
  limit: string | undefined,
  reason: string,
): Outcome | undefined {
  // A lock is on one object; so is the limit that Stripe calls resource-specific.
  if (status === 409 || code === 'lock_timeout') return { kind: 'throttled', scope: 'lane', reason };
  if (status !== 429 && code !== 'rate_limit') return undefined;
  if (limit === undefined) return { kind: 'throttled', scope: 'account', limit: 'other', reason };
  const said = cut(`${limit}, ${reason}`);
  if (limit === 'resource-specific') return { kind: 'throttled', scope: 'lane', reason: said };
  const known = limitReasons.find((name) => name === limit) ?? 'other';
  return { kind: 'throttled', scope: 'account', limit: known, reason: said };
}

/** Only Stripe's own verdict on the request itself. A wrong base address is no verdict: it would bury every entry. */
function isRefusal(error: Stripe.errors.StripeError, status: number): boolean {
  if (status < 400 || status >= 500 || unresolvedStatuses.has(status)) return false;
  if (error.headers?.['stripe-should-retry'] === 'true') return false;
  if (status === 404 && error.message.startsWith('Unrecognized request URL')) return false;
  return error.rawType === 'invalid_request_error';
}

function statusOf(seen: unknown): number {
  if (!isObject(seen) || !isObject(seen['lastResponse'])) return 0;
  const { statusCode } = seen['lastResponse'];
  return typeof statusCode === 'number' ? statusCode : 0;
}

function isMeterEvent(seen: unknown): boolean {
  return isObject(seen) && seen['object'] === 'billing.meter_event';
}

function excerptOf(seen: unknown): string {
  if (seen instanceof UnreadableBody) return JSON.stringify(seen.excerpt);
  if (isObject(seen)) return `an object with ${Object.keys(seen).slice(0, 8).join(', ') || 'no fields'}`;
  return typeof seen;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function cut(reason: string): string {
  return reason.length <= reasonLengthMax ? reason : `${reason.slice(0, reasonLengthMax - 1)}…`;
}
