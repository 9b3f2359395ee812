import type { EventFaultCode } from '../event/event-fault.ts';
import type { Settled } from './batch-core.ts';
import type { Usage } from './usage.ts';

/** Usage that is not known to be durable. The subclass and its `code` say why. */
export abstract class UsageError extends Error {
  /** For programs: a code never changes its meaning. */
  abstract readonly code: string;
  readonly id: string;
  /**
   * An attempt ended without an answer, so the event may be counted. Recording it again is safe with the same `id` and within
   * the consumers' dedup window.
   */
  readonly mayBeCounted: boolean;

  constructor(message: string, id: string, mayBeCounted: boolean) {
    super(message);
    this.id = id;
    this.mayBeCounted = mayBeCounted;
  }
}

/** The caller's mistake: the sidecar has rejected this event, and would reject it again. */
export class UsageRejected extends UsageError {
  /** One of the sidecar's codes for events; also `not_json` for usage that cannot be written as JSON. */
  readonly code: string;
  /** The field at fault, if the code belongs to one. */
  readonly field: keyof Usage | undefined;

  constructor(code: string, message: string, id: string, mayBeCounted: boolean) {
    super(message, id, mayBeCounted);
    this.name = 'UsageRejected';
    this.code = code;
    this.field = Object.hasOwn(fields, code) ? fields[code as EventFaultCode] : undefined;
  }
}

export type UndeliveredCode = 'buffer_full' | 'closed' | 'gave_up' | 'refused';

export const undeliveredCodes: Readonly<Record<UndeliveredCode, string>> = {
  buffer_full: 'Nothing was taken: as much as the buffer holds waits for the sidecar. Wait for `drained()`.',
  closed: 'The client was closed before this could be delivered.',
  gave_up: 'The sidecar could not be reached, or took nothing, for as long as the client tries.',
  refused: 'The sidecar refused the whole request for a reason that does not pass by itself: token, address, version.',
};

/** An operating fault: nothing is known to be wrong with this event. */
export class UsageUndelivered extends UsageError {
  readonly code: UndeliveredCode;

  constructor(code: UndeliveredCode, detail: string | undefined, id: string, mayBeCounted: boolean) {
    super(detail === undefined ? undeliveredCodes[code] : `${undeliveredCodes[code]} ${detail}`, id, mayBeCounted);
    this.name = 'UsageUndelivered';
    this.code = code;
  }
}

/** Undefined: the event is durable. */
export function errorOf(id: string, settled: Settled): UsageError | undefined {
  switch (settled.kind) {
    case 'durable':
      return undefined;
    case 'rejected':
      return new UsageRejected(settled.fault.code, settled.fault.message, id, settled.mayBeCounted);
    case 'undelivered':
      return new UsageUndelivered(settled.code, settled.detail, id, settled.mayBeCounted);
  }
}

/** Codes of a whole event, and of formats that this client does not send, belong to no field. */
const fields: Readonly<Partial<Record<EventFaultCode, keyof Usage>>> = {
  id_invalid: 'id',
  customer_missing: 'customer',
  customer_invalid: 'customer',
  meter_missing: 'meter',
  meter_invalid: 'meter',
  meter_not_allowed: 'meter',
  value_missing: 'value',
  value_invalid: 'value',
  value_too_many_digits: 'value',
  timestamp_invalid: 'timestamp',
  timestamp_too_old: 'timestamp',
  timestamp_in_future: 'timestamp',
  dimensions_invalid: 'dimensions',
  account_invalid: 'account',
};
