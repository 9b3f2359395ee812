/**
 * Why a whole request is not taken (design 3.1). Programs may branch on these codes, so they keep their meaning.
 * `retryAfterS` is sent as `Retry-After`: the same request may succeed then.
 */
interface Kind {
  readonly status: number;
  readonly retryAfterS?: number;
  readonly meaning: string;
}

export const requestFaultCodes = {
  not_utf8: { status: 400, meaning: 'The body is not valid UTF-8.' },
  malformed_json: { status: 400, meaning: 'The body is not JSON, or not an object or an array.' },
  no_events: { status: 400, meaning: 'There is no event in the body.' },
  body_too_large: { status: 413, meaning: 'The body has more bytes than TALLYMAN_BODY_BYTES_MAX.' },
  too_many_events: { status: 413, meaning: 'The body has more events than TALLYMAN_REQUEST_EVENTS_MAX.' },
  unsupported_media_type: { status: 415, meaning: 'The Content-Type is none that events can be sent in.' },
  unsupported_encoding: { status: 415, meaning: 'The body is compressed, or in a character set other than UTF-8.' },
  broker_unavailable: {
    status: 503,
    retryAfterS: 2,
    meaning: 'There is no connection to the broker that takes messages.',
  },
  overloaded: { status: 503, retryAfterS: 1, meaning: 'Too much waits for the broker already.' },
  unconfirmed: { status: 503, retryAfterS: 2, meaning: 'The broker did not confirm every event in time.' },
} as const satisfies Record<string, Kind>;

export type RequestFaultCode = keyof typeof requestFaultCodes;

/** An answer, not a failure of ours: thrown to leave the reading of a request at any depth. */
export class RequestFault extends Error {
  readonly code: RequestFaultCode;

  constructor(code: RequestFaultCode, message: string) {
    super(message);
    this.name = 'RequestFault';
    this.code = code;
  }

  get status(): number {
    return requestFaultCodes[this.code].status;
  }

  get retryAfterS(): number | undefined {
    const kind: Kind = requestFaultCodes[this.code];
    return kind.retryAfterS;
  }
}
