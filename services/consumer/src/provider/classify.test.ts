import Stripe from 'stripe';
import { describe, expect, it } from 'vitest';
import { classify } from './classify.ts';
import { CallError, UnreadableBody } from './http-client.ts';
import type { Outcome } from './provider.ts';

type RawError = Record<string, unknown>;

function stripeError(statusCode: number, raw: RawError = {}, headers: Record<string, string> = {}): unknown {
  return new Stripe.errors.StripeError({
    type: 'invalid_request_error',
    message: 'It is so.',
    statusCode,
    headers,
    ...raw,
  });
}

function connectionError(detail: Error): unknown {
  return new Stripe.errors.StripeConnectionError({
    type: 'api_error',
    message: 'An error occurred with our connection to Stripe.',
    detail,
  });
}

function answer(statusCode: number, body: object): unknown {
  return Object.assign(body, { lastResponse: { statusCode } });
}

const event = { object: 'billing.meter_event', identifier: 'i' };
const duplicate = 'An event already exists with identifier tm1-x.';
const page = (): UnreadableBody => new UnreadableBody('<html>Bad gateway</html>');

const cases: readonly [string, unknown, Outcome['kind'], Partial<Outcome & { scope: string }>?][] = [
  ['a meter event', answer(200, { ...event }), 'accepted'],
  ['an event that exists', stripeError(400, { message: duplicate }), 'accepted'],
  ['an event that exists, in v2', stripeError(400, { code: 'duplicate_meter_event' }), 'accepted'],
  [
    'an event that exists, but not with status 400',
    stripeError(500, { message: duplicate, type: 'api_error' }),
    'unknown',
  ],

  [
    'an unknown customer',
    stripeError(400, { code: 'resource_missing' }),
    'refused',
    { reason: 'resource_missing: It is so.' },
  ],
  // It was dead, though it only had to wait.
  [
    'a time that is ahead of its clock',
    stripeError(400, { code: 'timestamp_in_future' }),
    'early',
    { reason: 'timestamp_in_future: It is so.' },
  ],
  ['a time that is too long ago', stripeError(400, { code: 'timestamp_too_far_in_past' }), 'refused'],
  ['a refusal without a code', stripeError(400), 'refused', { reason: 'invalid_request_error: It is so.' }],
  ['a resource that is not there', stripeError(404, { code: 'resource_missing' }), 'refused'],
  [
    'a base address that is not Stripe',
    stripeError(404, { message: 'Unrecognized request URL (POST: /v1/x)' }),
    'unknown',
  ],
  ['a refusal that asks to be retried', stripeError(400, {}, { 'stripe-should-retry': 'true' }), 'unknown'],
  ['a reused idempotency key', stripeError(400, { type: 'idempotency_error' }), 'unknown'],
  ['a failed dependency', stripeError(424), 'unknown'],
  ["somebody else's 400", stripeError(400, { type: undefined }), 'unknown'],

  ['the limiter', stripeError(429, { code: 'rate_limit' }), 'throttled', { scope: 'account' }],
  [
    'the limiter with its reason',
    stripeError(429, {}, { 'stripe-rate-limited-reason': 'global-rate' }),
    'throttled',
    { scope: 'account' },
  ],
  [
    'a limit of one resource',
    stripeError(429, {}, { 'stripe-rate-limited-reason': 'resource-specific' }),
    'throttled',
    { scope: 'lane' },
  ],
  ['a lock', stripeError(429, { code: 'lock_timeout' }), 'throttled', { scope: 'lane' }],
  ['the limiter in its old form', stripeError(400, { code: 'rate_limit' }), 'throttled', { scope: 'account' }],
  ['a second call of the lane', stripeError(409, { type: 'api_error' }), 'throttled', { scope: 'lane' }],
  [
    'a second call of the lane, in v2',
    stripeError(409, { code: 'too_many_concurrent_requests' }),
    'throttled',
    { scope: 'lane' },
  ],

  ['a revoked key', stripeError(401), 'unauthorized'],
  ['a restricted key', stripeError(403), 'unauthorized'],

  ['a fault at Stripe', stripeError(500, { type: 'api_error' }), 'unknown'],
  [
    'a fault that says not to retry',
    stripeError(500, { type: 'api_error' }, { 'stripe-should-retry': 'false' }),
    'unknown',
  ],
  ['an unavailable Stripe', stripeError(503, { type: 'api_error' }), 'unknown'],

  [
    'no connection',
    connectionError(new CallError('CALL_FAILED', false, 'connect ECONNREFUSED')),
    'unsent',
    { reason: 'connect ECONNREFUSED' },
  ],
  ['a timeout while connecting', connectionError(new CallError('CALL_TIMEOUT', false, 'no answer')), 'unsent'],
  ['a timeout', connectionError(new CallError('CALL_TIMEOUT', true, 'no answer')), 'unknown'],
  [
    'a reset',
    connectionError(new CallError('CALL_FAILED', true, 'read ECONNRESET')),
    'unknown',
    { reason: 'read ECONNRESET' },
  ],
  ['a connection error of another kind', connectionError(new Error('odd')), 'unknown'],

  [
    "a gateway's page",
    answer(502, page()),
    'unknown',
    { reason: 'HTTP 502 without Stripe\'s answer: "<html>Bad gateway</html>"' },
  ],
  ["a proxy's limiter", answer(429, { message: 'slow down' }), 'throttled', { scope: 'account' }],
  ["a proxy's 409", answer(409, page()), 'throttled', { scope: 'lane' }],
  ["a proxy's 403", answer(403, page()), 'unauthorized'],
  ["a proxy's 400", answer(400, page()), 'unknown'],
  ["a portal's 200", answer(200, page()), 'unknown'],
  ['another object', answer(200, { object: 'customer' }), 'unknown'],
  ['a meter event that came with a 500', answer(500, { ...event }), 'unknown'],
  ['a meter event without a status', { ...event }, 'unknown'],

  ['an error that is not of Stripe', new TypeError('x is not a function'), 'unknown'],
  ['a string', 'oops', 'unknown'],
  ['nothing', undefined, 'unknown'],
  ['null', null, 'unknown'],
];

describe('a call to Stripe', () => {
  it.each(cases)('that meets %s is classified', (_, seen, kind, more = {}) => {
    expect(classify(seen)).toMatchObject({ kind, ...more });
  });

  it('never yields a reason longer than 500 characters', () => {
    expect(classify(stripeError(400, { message: 'x'.repeat(10_000) }))).toMatchObject({
      reason: expect.stringMatching(/^.{500}$/),
    });
  });
});
