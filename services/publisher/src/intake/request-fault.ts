import type { Outcome } from '../outbox/outbox.ts';

/**
 * Why a whole request is not taken (ARCHITECTURE.md 3.1). Programs may branch on these codes, so they keep their meaning.
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
  malformed_gzip: {
    status: 400,
    meaning: 'The body is not gzip, is cut off, or has something after its end.',
  },
  malformed_deflate: { status: 400, meaning: 'The body is not deflate, is cut off, or has something after its end.' },
  malformed_br: { status: 400, meaning: 'The body is not br, is cut off, or has something after its end.' },
  no_events: { status: 400, meaning: 'There is no event in the body.' },
  body_too_large: { status: 413, meaning: 'The body has more bytes than TALLYMAN_BODY_BYTES_MAX, sent or inflated.' },
  too_many_events: { status: 413, meaning: 'The body has more events than TALLYMAN_REQUEST_EVENTS_MAX.' },
  too_complex: { status: 413, meaning: 'The body has far more brackets and commas than its events can need.' },
  unsupported_media_type: { status: 415, meaning: 'Events cannot be sent in this Content-Type.' },
  unsupported_encoding: {
    status: 415,
    meaning:
      'The body is compressed by something else than gzip, deflate or br, or in a character set other than UTF-8.',
  },
  broker_unavailable: {
    status: 503,
    retryAfterS: 2,
    meaning: 'There is no connection to the broker that takes messages.',
  },
  spool_full: { status: 503, retryAfterS: 5, meaning: 'The broker does not take messages, and the spool is full.' },
  spool_unavailable: {
    status: 503,
    retryAfterS: 2,
    meaning: 'The broker does not take messages, and the spool cannot be written to.',
  },
  overloaded: { status: 503, retryAfterS: 1, meaning: 'Too much waits for the broker already.' },
  unconfirmed: { status: 503, retryAfterS: 2, meaning: 'The broker did not confirm every event in time.' },
} as const satisfies Record<string, Kind>;

export type RequestFaultCode = keyof typeof requestFaultCodes;

/** An answer, not a failure of ours: thrown to leave the reading of a request at any depth. */
export class RequestFault extends Error {
  readonly code: RequestFaultCode;

  constructor(code: RequestFaultCode, message: string, cause?: unknown) {
    super(message, { cause });
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

const ofOutcomes: Readonly<Record<Exclude<Outcome, 'durable'>, readonly [code: RequestFaultCode, message: string]>> = {
  broker_unavailable: [
    'broker_unavailable',
    'The broker is away, so no event of this request was taken. Send it again, with the same ids.',
  ],
  spool_full: [
    'spool_full',
    'The broker is away and the spool is full, so no event of this request was taken. Send it again, with the same ids.',
  ],
  spool_unavailable: [
    'spool_unavailable',
    'The broker is away and the spool cannot be written to, so no event of this request was taken. Send it again, with the same ids.',
  ],
  overloaded: [
    'overloaded',
    'Too many events wait for the broker, so no event of this request was taken. Send it again, with the same ids.',
  ],
  expired: [
    'unconfirmed',
    'The broker did not confirm every event of this request in time; some may be counted. Send it again: events with the same ids count once.',
  ],
};

/** What is told when the events of a request did not become durable. */
export function faultOf(outcome: Exclude<Outcome, 'durable'>): RequestFault {
  return new RequestFault(...ofOutcomes[outcome]);
}
