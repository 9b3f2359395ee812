import type { Item } from './item.ts';
import { RequestFault } from './request-fault.ts';

/** `application/json`: one event, or an array of events. */
export function readJson(text: string, eventsMax: number): readonly Item[] {
  if (text.trim() === '')
    throw new RequestFault('no_events', 'The body is empty. It may be one event, or an array of events.');
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new RequestFault(
      'malformed_json',
      `The body is not JSON: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  if (Array.isArray(body)) return itemsOf(body, eventsMax);
  if (typeof body === 'object' && body !== null) return [{ parsed: body }];
  throw new RequestFault(
    'malformed_json',
    'The body is JSON, but neither an object nor an array: it may be one event, or an array of events.',
  );
}

function itemsOf(events: readonly unknown[], eventsMax: number): readonly Item[] {
  if (events.length === 0) throw new RequestFault('no_events', 'The array is empty. It may hold one event or more.');
  if (events.length > eventsMax) {
    throw new RequestFault(
      'too_many_events',
      `The array has ${events.length} events. At most ${eventsMax} are taken in one request.`,
    );
  }
  return events.map((parsed) => ({ parsed }));
}
