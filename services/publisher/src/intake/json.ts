import { type ExactParser, parseExactly } from '../../../../shared/event/exact-json.ts';
import { validateEvent } from '../../../../shared/event/validate.ts';
import { checkComplexity } from './complexity.ts';
import type { Format } from './item.ts';
import { RequestFault } from './request-fault.ts';

/** `application/json`: one event, or an array of events. */
export const json: Format = {
  read(text, eventsMax) {
    const body = parseBody(text, eventsMax);
    if (Array.isArray(body)) return checkCount(body, eventsMax);
    if (typeof body === 'object' && body !== null) return [body];
    throw new RequestFault(
      'malformed_json',
      'The body is JSON, but neither an object nor an array: it must be one event, or an array of events.',
    );
  },
  validate: validateEvent,
};

/** A body that is one JSON text. */
export function parseBody(text: string, eventsMax: number, parse: ExactParser = parseExactly): unknown {
  if (text.trim() === '')
    throw new RequestFault('no_events', 'The body is empty. Send one event, or an array of events.');
  checkComplexity(text, eventsMax);
  try {
    return parse(text);
  } catch (error) {
    throw new RequestFault('malformed_json', `The body is not JSON: ${reasonOf(error)}.`);
  }
}

export function checkCount(events: readonly unknown[], eventsMax: number): readonly unknown[] {
  if (events.length === 0) throw new RequestFault('no_events', 'The array is empty. Send at least one event.');
  if (events.length > eventsMax) {
    throw new RequestFault(
      'too_many_events',
      `The array has ${events.length} events. One request takes at most ${eventsMax}.`,
    );
  }
  return events;
}

/** A `RangeError` of a very deep text is told like a `SyntaxError`. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
