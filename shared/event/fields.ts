import { EventFault, type EventFaultCode, shown } from './event-fault.ts';
import { isToken, textFault } from './text.ts';
import type { UsageEvent } from './usage-event.ts';

/**
 * The fields that an event has in the same form when it is sent by an application and when it travels in a message.
 * Each reader gives the checked value, or why it is refused.
 */
export const idCharsMax = 100;
export const customerCharsMax = 255;
export const meterCharsMax = 100;
export const accountCharsMax = 255;
/**
 * Ours, and generous: the provider's own limits on payload keys are not published. Keys of an event that the provider
 * does take are far below, and with them no event is larger than 64 KiB, so that one always fits into a message.
 */
export const dimensionsMax = 32;
export const dimensionKeyCharsMax = 100;
export const dimensionValueCharsMax = 500;

/** The year 5138: whoever gives a number above has meant milliseconds. */
export const unixSecondsEnd = 1e11;

export type EventDraft = { -readonly [Field in keyof UsageEvent]: UsageEvent[Field] };
export type UnknownRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is UnknownRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function readId(id: unknown): string | EventFault {
  return readText(id, 'id', idCharsMax, 'id_invalid');
}

export function readCustomer(customer: unknown): string | EventFault {
  if (customer === undefined) return missing('customer_missing', 'customer', customerCharsMax);
  return readText(customer, 'customer', customerCharsMax, 'customer_invalid');
}

export function readMeter(meter: unknown): string | EventFault {
  if (meter === undefined) return missing('meter_missing', 'meter', meterCharsMax);
  return readText(meter, 'meter', meterCharsMax, 'meter_invalid');
}

/** The connected account becomes an HTTP header at the provider, so it may hold only what a header may. */
function readAccount(account: unknown): string | EventFault {
  if (typeof account === 'string' && account.length >= 1 && account.length <= accountCharsMax && isToken(account))
    return account;
  const mayBe = `a string of 1 to ${accountCharsMax} characters of printable ASCII without spaces, such as "acct_123"`;
  return new EventFault('account_invalid', 'account', shown(account), mayBe);
}

/** Undefined when there are none: an empty map and no map are the same key. */
function readDimensions(dimensions: unknown): Readonly<Record<string, string>> | undefined | EventFault {
  if (!isRecord(dimensions)) return dimensionsFault('dimensions', shown(dimensions));
  let count = 0;
  for (const key in dimensions) {
    if (++count > dimensionsMax) return dimensionsFault('dimensions', `${Object.keys(dimensions).length} of them`);
    const keyFault = key.length < 1 || key.length > dimensionKeyCharsMax ? '' : textFault(key);
    if (keyFault !== undefined) return dimensionsFault('dimensions', `the key ${withFault(key, keyFault)}`);
    const value = dimensions[key];
    if (typeof value !== 'string') return dimensionsFault(`dimensions[${shown(key)}]`, shown(value));
    const valueFault = value.length < 1 || value.length > dimensionValueCharsMax ? '' : textFault(value);
    if (valueFault !== undefined) return dimensionsFault(`dimensions[${shown(key)}]`, withFault(value, valueFault));
  }
  // The parsed object itself: copying it key by key would let a key `__proto__` set the copy's prototype.
  return count === 0 ? undefined : (dimensions as Readonly<Record<string, string>>);
}

/** Fills in what an event may have or not. */
export function readOptionalFields(input: UnknownRecord, event: EventDraft): EventFault | undefined {
  if (input['dimensions'] !== undefined) {
    const dimensions = readDimensions(input['dimensions']);
    if (dimensions instanceof EventFault) return dimensions;
    if (dimensions !== undefined) event.dimensions = dimensions;
  }
  if (input['account'] !== undefined) {
    const account = readAccount(input['account']);
    if (account instanceof EventFault) return account;
    event.account = account;
  }
  return undefined;
}

export function isUnixSeconds(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < unixSecondsEnd;
}

function readText(value: unknown, field: string, charsMax: number, code: EventFaultCode): string | EventFault {
  if (typeof value !== 'string' || value.length < 1 || value.length > charsMax) {
    return new EventFault(code, field, shown(value), textMayBe(charsMax));
  }
  const fault = textFault(value);
  return fault === undefined ? value : new EventFault(code, field, withFault(value, fault), textMayBe(charsMax));
}

function missing(code: EventFaultCode, field: string, charsMax: number): EventFault {
  return new EventFault(code, field, 'nothing', textMayBe(charsMax));
}

function textMayBe(charsMax: number): string {
  return `a string of 1 to ${charsMax} characters without control characters and lone surrogates`;
}

function dimensionsFault(field: string, got: string): EventFault {
  const mayBe =
    `an object of at most ${dimensionsMax} strings, keys of 1 to ${dimensionKeyCharsMax} and values of 1 to ` +
    `${dimensionValueCharsMax} characters, without control characters and lone surrogates`;
  return new EventFault('dimensions_invalid', field, got, mayBe);
}

function withFault(text: string, fault: string): string {
  return fault === '' ? shown(text) : `${shown(text)} with ${fault}`;
}
