/**
 * What an application that speaks to Stripe is told, in Stripe's own form: `{error: {type, code, message, param}}`. The codes are
 * Stripe's where Stripe has one, so that the application's own handling fits; programs may branch on them.
 */
interface Kind {
  readonly status: number;
  readonly meaning: string;
}

export const stripeCodes = {
  parameter_missing: { status: 400, meaning: 'A required parameter is missing.' },
  parameter_unknown: { status: 400, meaning: 'A parameter that a meter event does not have.' },
  parameter_invalid_string: { status: 400, meaning: 'A text that is too long, or has characters it may not have.' },
  parameter_invalid_integer: { status: 400, meaning: '`timestamp` is no whole number of unix seconds.' },
  parameter_invalid_map: { status: 400, meaning: '`payload` is no map of texts.' },
  invalid_fields: { status: 400, meaning: 'v2: a field is missing, unknown or of another type.' },
  meter_event_no_customer_defined: { status: 400, meaning: 'The payload has no customer.' },
  meter_event_invalid_value: { status: 400, meaning: 'The payload has no value, or one that is no decimal number.' },
  meter_event_value_too_many_digits: { status: 400, meaning: 'The value has more than 15 significant digits.' },
  meter_event_dimension_count_too_high: { status: 400, meaning: 'The payload has more than 32 further keys.' },
  timestamp_too_far_in_past: {
    status: 400,
    meaning: 'The timestamp is more than 35 days back, less an hour for the way.',
  },
  timestamp_in_future: { status: 400, meaning: 'The timestamp is more than 5 minutes ahead.' },
  no_meter: { status: 400, meaning: 'The meter is not in `TALLYMAN_METERS`.' },
  account_invalid: { status: 400, meaning: 'The account in the headers cannot be sent to Stripe.' },
  duplicate_meter_event: { status: 400, meaning: 'v2: an event with this identifier is durable already.' },
  billing_meter_event_session_expired: {
    status: 401,
    meaning: 'v2: the token of the session has expired, or is not of this sidecar: create another session.',
  },
} as const satisfies Record<string, Kind>;

export type StripeCode = keyof typeof stripeCodes;

/** An answer of Stripe's kind; thrown, so that it leaves the reading of a request at any depth. */
export class StripeRefusal extends Error {
  readonly status: number;
  readonly type: string;
  /** Absent where Stripe sends none. */
  readonly code: string | undefined;
  readonly param: string | undefined;

  constructor(
    message: string,
    {
      status = 400,
      type = 'invalid_request_error',
      code,
      param,
    }: Partial<Pick<StripeRefusal, 'status' | 'type' | 'code' | 'param'>> = {},
  ) {
    super(message);
    this.name = 'StripeRefusal';
    this.status = status;
    this.type = type;
    this.code = code;
    this.param = param;
  }
}

export function refusal(code: StripeCode, message: string, param?: string): StripeRefusal {
  return new StripeRefusal(message, { status: stripeCodes[code].status, code, param });
}
