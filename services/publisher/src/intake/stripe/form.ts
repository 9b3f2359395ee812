import { refusal } from './refusal.ts';

/** The parameters of a meter event, unchecked. Without a prototype: a key may be called `constructor`. */
export interface Parameters {
  readonly fields: Readonly<Record<string, string>>;
  readonly payload: Readonly<Record<string, string>> | undefined;
}

/** Far more than an event may have; a longer form is not looked at. */
const pairsMax = 100;

/**
 * Reads `application/x-www-form-urlencoded` as Stripe's clients write it: `event_name=x&payload[value]=3`. Stricter than most:
 * a name that stands twice is refused, since one of its values would be lost. Throws a `StripeRefusal`.
 */
export function parseForm(text: string): Parameters {
  const fields = Object.create(null) as Record<string, string>;
  const payload = Object.create(null) as Record<string, string>;
  let hasPayload = false;
  let pairs = 0;
  for (let start = 0; start < text.length;) {
    const ampersand = text.indexOf('&', start);
    const end = ampersand < 0 ? text.length : ampersand;
    const pair = text.slice(start, end);
    start = end + 1;
    if (pair === '') continue;
    if (++pairs > pairsMax) throw refusal('parameter_unknown', `The form has more than ${pairsMax} parameters.`);
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals), 'a name of a parameter');
    const value = decode(equals < 0 ? '' : pair.slice(equals + 1), name);
    // What the answer should hold more of; a meter event has nothing that could be expanded.
    if (name.startsWith('expand[')) continue;
    if (name.startsWith('payload[')) {
      put(payload, payloadKey(name), value, name);
      hasPayload = true;
    } else {
      put(fields, name, value, name);
    }
  }
  return { fields, payload: hasPayload ? payload : undefined };
}

function payloadKey(name: string): string {
  const key = name.slice('payload['.length, -1);
  if (!name.endsWith(']') || key === '' || /[[\]]/.test(key))
    throw refusal('parameter_invalid_map', `Invalid map: ${shorten(name)}. payload is a map of texts.`, 'payload');
  return key;
}

function put(into: Record<string, string>, key: string, value: string, name: string): void {
  if (into[key] !== undefined)
    throw refusal(
      'parameter_invalid_string',
      `${shorten(name)} stands twice in the form; once is enough.`,
      shorten(name),
    );
  into[key] = value;
}

function decode(text: string, param: string): string {
  try {
    return decodeURIComponent(text.includes('+') ? text.replaceAll('+', ' ') : text);
  } catch {
    throw refusal('parameter_invalid_string', `Invalid string: ${shorten(param)} is not percent-encoded UTF-8.`);
  }
}

function shorten(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}
