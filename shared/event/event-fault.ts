/**
 * Why an event is refused. The codes are part of the answer's contract (ARCHITECTURE.md 3.1): programs may branch on them,
 * so a code keeps its meaning for ever. The sentences are for people and may change.
 */
export const eventFaultCodes = {
  not_json: 'A line of NDJSON is one JSON object.',
  not_an_object: 'An event is a JSON object.',
  unknown_field: 'Only the fields of a usage event are taken, so that a misspelt one is not silently ignored.',
  id_invalid: '`id` is a string of 1 to 100 characters.',
  customer_missing: '`customer` is required.',
  customer_invalid: '`customer` is a string of 1 to 255 characters.',
  meter_missing: '`meter` is required.',
  meter_invalid: '`meter` is a string of 1 to 100 characters.',
  meter_not_allowed: '`meter` is one of those that `TALLYMAN_METERS` lists, if it is set.',
  value_missing: 'The data of a CloudEvent, or the payload of a meter event, has fields, but not the value.',
  value_invalid: '`value` is a decimal number, or such a number as a string, of at most 64 characters.',
  value_too_many_digits: '`value` has at most 15 significant digits, counted from the first that is not zero.',
  timestamp_invalid: '`timestamp` is unix seconds or an RFC 3339 string.',
  timestamp_too_old: '`timestamp` is at most 35 days back, less an hour for the way: the provider takes nothing older.',
  timestamp_in_future: '`timestamp` is at most 5 minutes ahead.',
  dimensions_invalid:
    '`dimensions` is an object of at most 32 strings; keys have 1 to 100 characters, values 1 to 500.',
  account_invalid: '`account` is 1 to 255 characters of printable ASCII without spaces.',
  specversion_invalid: 'A CloudEvent: `specversion` is "1.0".',
  source_invalid: 'A CloudEvent: `source` is a string of 1 to 500 characters.',
  data_invalid: 'A CloudEvent: `data` is a JSON object, if there is any.',
} as const;

export type EventFaultCode = keyof typeof eventFaultCodes;

/** A refused event. A value and not an `Error`: refusing is an ordinary answer, and a stack for each would be slow. */
export class EventFault {
  readonly code: EventFaultCode;
  readonly field: string;
  readonly got: string;
  readonly mayBe: string;

  constructor(code: EventFaultCode, field: string, got: string, mayBe: string) {
    this.code = code;
    this.field = field;
    this.got = got;
    this.mayBe = mayBe;
  }

  /** The same fault, of a field that has another name, or takes other forms, where it was sent. */
  about(field: string, mayBe: string = this.mayBe): EventFault {
    return new EventFault(this.code, field, this.got, mayBe);
  }

  get message(): string {
    return `${this.field}: got ${this.got}; it must be ${this.mayBe}.`;
  }
}

const shownCharsMax = 60;

/** A value from outside as it may stand in a message: short, on one line, and always printable. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'number' || typeof value === 'boolean') return `the ${typeof value} ${value}`;
  if (typeof value !== 'string') return `a ${typeof value}`;
  const short = value.length > shownCharsMax ? `${value.slice(0, shownCharsMax)}…` : value;
  // Not JSON.stringify alone: it leaves the controls above U+007E as they are.
  const printable = JSON.stringify(short).replace(/[\u007f-\u009f]/g, escaped);
  return value.length > shownCharsMax ? `${printable} (${value.length} characters)` : printable;
}

function escaped(character: string): string {
  return `\\u00${character.charCodeAt(0).toString(16)}`;
}
