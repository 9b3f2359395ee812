import type { EventFault, EventFaultCode } from '../../../../../shared/event/event-fault.ts';
import { timestampForms } from '../../../../../shared/event/timestamp.ts';
import { MissingValue } from '../../../../../shared/event/value.ts';
import { refusal, type StripeCode, type StripeRefusal } from './refusal.ts';

/** Which keys of a payload hold customer and value. At Stripe every meter can have its own; here they are the same for all. */
export interface PayloadKeys {
  readonly customer: string;
  readonly value: string;
}

/** A meter event as it was sent: each field as `validateEvent` is to judge it, whatever its type. */
export interface MeterEvent {
  readonly eventName: unknown;
  readonly identifier: unknown;
  readonly timestamp: unknown;
  /** Without a prototype, or parsed by JSON. */
  readonly payload: Readonly<Record<string, string>>;
}

/** The usage event that a meter event is: what `validateEvent` takes. */
export function usageEventOf(event: MeterEvent, keys: PayloadKeys, account: string | undefined): unknown {
  const dimensions = Object.create(null) as Record<string, string>;
  for (const [key, text] of Object.entries(event.payload)) {
    if (key !== keys.customer && key !== keys.value) dimensions[key] = text;
  }
  return {
    id: event.identifier,
    customer: event.payload[keys.customer],
    meter: event.eventName,
    // Not the default of usage events: Stripe asks for a value, and to make one up would bill it.
    value: event.payload[keys.value] ?? new MissingValue('payload', event.payload),
    timestamp: event.timestamp,
    dimensions,
    account,
  };
}

/** How a fault of a usage event is told to an application that speaks to Stripe. */
export function refusalOf(fault: EventFault, keys: PayloadKeys, version: 'v1' | 'v2'): StripeRefusal {
  const params: Readonly<Record<string, string>> = {
    id: 'identifier',
    customer: `payload[${keys.customer}]`,
    meter: 'event_name',
    value: `payload[${keys.value}]`,
    account: 'Stripe-Account',
  };
  const param = params[fault.field] ?? (fault.field.startsWith('dimensions') ? 'payload' : fault.field);
  const isTime = fault.field === 'timestamp';
  const told = isTime ? fault.about(param, timestampForms[timeForms[version]]) : fault.about(param);
  return refusal(codeOf(fault, version), told.message, param);
}

const timeForms = { v1: 'unixSeconds', v2: 'rfc3339' } as const;

const codes: Readonly<Partial<Record<EventFaultCode, StripeCode>>> = {
  customer_missing: 'meter_event_no_customer_defined',
  meter_missing: 'parameter_missing',
  meter_not_allowed: 'no_meter',
  value_missing: 'meter_event_invalid_value',
  value_invalid: 'meter_event_invalid_value',
  value_too_many_digits: 'meter_event_value_too_many_digits',
  timestamp_too_old: 'timestamp_too_far_in_past',
  timestamp_in_future: 'timestamp_in_future',
  account_invalid: 'account_invalid',
};

function codeOf({ code, got }: EventFault, version: 'v1' | 'v2'): StripeCode {
  if (code === 'dimensions_invalid' && got.endsWith(' of them')) return 'meter_event_dimension_count_too_high';
  const known = codes[code];
  if (known !== undefined) return known;
  if (version === 'v2') return 'invalid_fields';
  return code === 'timestamp_invalid' ? 'parameter_invalid_integer' : 'parameter_invalid_string';
}
