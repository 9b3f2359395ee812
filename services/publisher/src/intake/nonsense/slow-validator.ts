/**
 * For tests: says of an event whether it may be taken, slowly and obviously, from numbers as they were written. It shares no code
 * with what it judges.
 */
export const nowMs = Date.UTC(2026, 10, 22, 9, 30);
const nowS = nowMs / 1000;

/** A number as it was written. */
class Written {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}
type Known = Readonly<Record<string, unknown>>;

/** JSON in which every number is what was written. */
export function parseSlowly(text: string): unknown {
  const parse = JSON.parse as (
    text: string,
    reviver: (key: string, value: unknown, context: { source: string }) => unknown,
  ) => unknown;
  return parse(text, (_, value, { source }) => (typeof value === 'number' ? new Written(source) : value));
}

const isObject = (value: unknown): value is Known =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Written);
const isText = (value: unknown, max: number): boolean =>
  typeof value === 'string' && value.length >= 1 && value.length <= max && !/[\p{Cc}\p{Cs}]/u.test(value);

function isValue(value: unknown): boolean {
  if (value === undefined) return true;
  if (value instanceof Written) return isPlain(plainOf(value.text));
  return typeof value === 'string' && isPlain(value);
}

function isPlain(text: string): boolean {
  if (!/^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(text)) return false;
  const significant = text.replace(/[-.]/g, '').replace(/^0+/, '');
  // Every zero is kept as `0`, however it is written.
  return significant === '' || (significant.length <= 15 && text.length <= 64);
}

/** Without an exponent; `too long` if that is much longer than a value may be. */
function plainOf(number: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(number) ?? [];
  if (/^0*$/.test(whole + fraction)) return '0';
  const shift = Number(exponent);
  if (Math.abs(shift) > 200) return 'too long';
  const padded = '0'.repeat(300) + whole + fraction + '0'.repeat(300);
  const point = 300 + whole.length + shift;
  const before = padded.slice(0, point).replace(/^0+(?=\d)/, '');
  const kept = Math.max(0, fraction.length - shift);
  const behind = padded.slice(point, point + kept);
  // What a double is written as in its shortest form ends without zeros; more than 15 digits were refused before that.
  const short = /^0*$/.test(before) || behind !== '' ? behind.replace(/0+$/, '') : behind;
  const digits = (before + behind).replace(/^0+/, '').length;
  return digits > 15 ? 'too long' : `${sign}${before}${short === '' ? '' : `.${short}`}`;
}

function isTime(value: unknown, mayBeNumber: boolean): boolean {
  if (value === undefined) return true;
  if (value instanceof Written) return mayBeNumber && isNear(Number(value.text));
  if (typeof value !== 'string') return false;
  const parts = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.exec(value);
  if (parts === null) return false;
  const [, date = '', time = '', fraction = '', zone = ''] = parts;
  const ms = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  // The engine takes the 31st of every month for a day.
  if (Number.isNaN(ms) || new Date(Date.parse(`${date}T00:00:00Z`)).toISOString().slice(0, 10) !== date) return false;
  return isNear(ms / 1000 + Number(`0${fraction}`));
}

const isNear = (seconds: number): boolean =>
  seconds >= nowS - 35 * 86_400 + 3_600 && Math.floor(seconds * 1000) <= (nowS + 300) * 1000;

export function isUsageEvent(input: unknown): boolean {
  if (!isObject(input)) return false;
  const fields = ['id', 'customer', 'meter', 'value', 'timestamp', 'dimensions', 'account'];
  const { id, customer, meter, value, timestamp, dimensions, account } = input;
  return (
    Object.keys(input).every((key) => fields.includes(key)) &&
    (id === undefined || isText(id, 100)) &&
    isText(customer, 255) &&
    isText(meter, 100) &&
    isValue(value) &&
    isTime(timestamp, true) &&
    (dimensions === undefined ||
      (isObject(dimensions) &&
        Object.keys(dimensions).length <= 32 &&
        Object.entries(dimensions).every(([key, text]) => isText(key, 100) && isText(text, 500)))) &&
    (account === undefined || (typeof account === 'string' && /^[!-~]{1,255}$/.test(account)))
  );
}

export function isCloudEvent(input: unknown): boolean {
  if (!isObject(input)) return false;
  const { specversion, id, source, type, subject, time, data, data_base64: binary } = input;
  return (
    specversion === '1.0' &&
    isText(id, 500) &&
    isText(source, 500) &&
    isText(type, 100) &&
    isText(subject, 255) &&
    isTime(time, false) &&
    binary === undefined &&
    (data === undefined || data === null || (isObject(data) && data['value'] !== undefined && isValue(data['value'])))
  );
}
