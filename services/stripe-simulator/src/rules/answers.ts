import type { LimitReason } from './faults.ts';

/** What Stripe says: bodies and headers of its API, as the `stripe` package reads them. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Refusal {
  readonly type: 'invalid_request_error' | 'api_error' | 'idempotency_error';
  readonly message: string;
  readonly code?: string;
  readonly param?: string;
}

type Headers = Readonly<Record<string, string>>;

const none: Headers = {};
const neverRetry: Headers = { 'stripe-should-retry': 'false' };

export function success(object: unknown): Answer {
  return { status: 200, body: JSON.stringify(object), headers: none };
}

export function refusal(status: number, error: Refusal, headers: Headers = none): Answer {
  return { status, body: JSON.stringify({ error }), headers };
}

export function isAnswer(value: object): value is Answer {
  return 'status' in value && 'body' in value;
}

/** A mistake in the request itself: 400. */
export function invalid(message: string, detail: { readonly code?: string; readonly param?: string } = {}): Answer {
  return refusal(400, { type: 'invalid_request_error', message, ...detail });
}

export function missingParameter(param: string): Answer {
  return invalid(`Missing required param: ${param}.`, { code: 'parameter_missing', param });
}

export function unknownParameter(param: string): Answer {
  return invalid(`Received unknown parameter: ${param}`, { code: 'parameter_unknown', param });
}

export function tooLong(param: string, max: number): Answer {
  return invalid(`Invalid string: ${param} must be at most ${max} characters`, {
    code: 'parameter_invalid_string',
    param,
  });
}

export function noSuch(object: string, id: string, param: string, status = 404): Answer {
  return refusal(status, {
    type: 'invalid_request_error',
    code: 'resource_missing',
    message: `No such ${object}: '${id}'`,
    param,
  });
}

export function unrecognizedUrl(method: string, path: string): Answer {
  return refusal(404, {
    type: 'invalid_request_error',
    message: `Unrecognized request URL (${method}: ${path}). The README of the simulator lists what it serves.`,
  });
}

export function noKey(): Answer {
  return refusal(401, {
    type: 'invalid_request_error',
    message:
      "You did not provide an API key. Send it in the Authorization header: 'Authorization: Bearer YOUR_SECRET_KEY'.",
  });
}

export function revokedKey(): Answer {
  return refusal(401, { type: 'invalid_request_error', code: 'api_key_expired', message: 'Expired API Key provided.' });
}

export function noAccount(account: string): Answer {
  return refusal(403, {
    type: 'invalid_request_error',
    code: 'account_invalid',
    message: `The provided key does not have access to account '${account}' (or that account does not exist).`,
  });
}

/** 429 of a limiter: comes before the idempotency key is looked at, so that the same key may be sent again. */
export function tooManyRequests(reason: LimitReason): Answer {
  return refusal(
    429,
    { type: 'invalid_request_error', code: 'rate_limit', message: 'Request rate limit exceeded.' },
    { 'stripe-rate-limited-reason': reason },
  );
}

export function lockTimeout(): Answer {
  return refusal(429, {
    type: 'invalid_request_error',
    code: 'lock_timeout',
    message: 'This object cannot be accessed right now because another request is using it.',
  });
}

/** Two calls at once for one customer and meter. */
export function laneBusy(): Answer {
  return refusal(
    409,
    {
      type: 'invalid_request_error',
      message: 'Another request for this customer and meter is in progress. Try again.',
    },
    { 'stripe-should-retry': 'true' },
  );
}

/** What was executed is final for its idempotency key, so Stripe says that the same request need not be repeated. */
export function serverError(): Answer {
  return refusal(500, { type: 'api_error', message: 'An unknown error occurred.' }, neverRetry);
}

/** A proxy's answer, not Stripe's: there is no `error` in it, and the package takes it for a success. */
export function badGateway(): Answer {
  return { status: 502, body: JSON.stringify({ message: 'Bad Gateway' }), headers: none };
}

/** No `code`; the package tells it from other refusals by its message alone. */
export function duplicateIdentifier(identifier: string): Answer {
  return refusal(
    400,
    { type: 'invalid_request_error', message: `An event already exists with identifier ${identifier}.` },
    neverRetry,
  );
}

export function idempotencyMismatch(): Answer {
  return refusal(400, {
    type: 'idempotency_error',
    message: 'This idempotency key was first used with other parameters. Use another key for another request.',
  });
}

export function idempotencyInUse(): Answer {
  return refusal(
    409,
    {
      type: 'idempotency_error',
      code: 'idempotency_key_in_use',
      message: 'Another request with this idempotency key is in progress.',
    },
    { 'stripe-should-retry': 'true' },
  );
}
