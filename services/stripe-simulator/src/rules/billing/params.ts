import {
  type Answer,
  invalid,
  isAnswer,
  missingParameter,
  noSuch,
  success,
  tooLong,
  unknownParameter,
} from '../answers.ts';
import { type Form, type FormValue, textAt } from '../form.ts';

/** Reading of the parameters that Stripe's billing objects have in common. Each answers a value, or Stripe's refusal. */

export function refuseUnknown(params: Form, known: readonly string[]): Answer | undefined {
  const unknown = Object.keys(params).find((name) => name !== 'expand' && !known.includes(name));
  return unknown === undefined ? undefined : unknownParameter(unknown);
}

export function requiredText(params: Form, name: string, max = 5_000): string | Answer {
  const text = textAt(params, name);
  if (text === undefined) return missingParameter(name);
  return text.length > max ? tooLong(name, max) : text;
}

export function flagAt(params: Form, name: string): boolean | undefined | Answer {
  const text = params[name];
  if (text === undefined) return undefined;
  return text === 'true' || text === 'false'
    ? text === 'true'
    : invalid(`Invalid boolean: ${name}`, { code: 'parameter_invalid_boolean', param: name });
}

/** Key-value pairs, each at most as long as Stripe takes them. */
export function metadataAt(params: Form): Record<string, string> | Answer {
  const pairs: Record<string, string> = {};
  for (const [key, value] of Object.entries(mapAt(params, 'metadata'))) {
    if (typeof value !== 'string') return invalid('Invalid object: metadata', { param: 'metadata' });
    if (key.length > 40 || value.length > 500) return invalid('Metadata keys have at most 40, values 500 characters.');
    pairs[key] = value;
  }
  return pairs;
}

export function mapAt(params: Form, name: string): Form {
  const value = params[name];
  return typeof value === 'object' ? value : {};
}

/** `items[0][price]=…&items[1][price]=…`, or `lookup_keys[]=…`. */
export function listAt(params: Form, name: string): FormValue[] {
  return Object.values(mapAt(params, name));
}

interface Listed {
  readonly id: string;
}

/** The page of a list, newest first, that these parameters ask for. */
export function pageOf<T extends Listed>(
  all: readonly T[],
  params: Form,
  { kind, url, keeps }: { readonly kind: string; readonly url: string; readonly keeps: (object: T) => boolean },
): Answer {
  const { limit: limitText = '10' } = params;
  const after = textAt(params, 'starting_after');
  const before = textAt(params, 'ending_before');
  const limit = typeof limitText === 'string' && /^\d{1,3}$/.test(limitText) ? Number(limitText) : 0;
  if (limit < 1 || limit > 100)
    return invalid('Invalid integer: limit must be from 1 to 100.', {
      code: 'parameter_invalid_integer',
      param: 'limit',
    });
  if (after !== undefined && before !== undefined)
    return invalid('Only one of starting_after and ending_before may be given.');
  const cursor = after ?? before;
  // Of the whole list: a cursor may have left the filter since the page before.
  const cursorAt = all.findIndex(({ id }) => id === cursor);
  if (cursor !== undefined && cursorAt < 0) {
    return noSuch(kind, cursor, after === undefined ? 'ending_before' : 'starting_after', 400);
  }
  const rest = all.filter(
    (object, index) => (before === undefined ? index > cursorAt : index < cursorAt) && keeps(object),
  );
  const data = before === undefined ? rest.slice(0, limit) : rest.slice(-limit);
  return success({ object: 'list', data, has_more: rest.length > limit, url });
}

export const pageParameters = ['limit', 'starting_after', 'ending_before'] as const;

export { isAnswer };
