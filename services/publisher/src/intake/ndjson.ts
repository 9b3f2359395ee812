import { parseExactly } from '../../../../shared/event/exact-json.ts';
import { validateEvent } from '../../../../shared/event/validate.ts';
import { checkComplexity } from './complexity.ts';
import { type Format, Unparsable } from './item.ts';
import { reasonOf } from './json.ts';
import { RequestFault } from './request-fault.ts';
import { counted } from '../../../../shared/log/troubles.ts';

/** `application/x-ndjson` or `application/ndjson`: one event a line. Blank lines are skipped and not counted; lines may end with CR LF. */
export const ndjson: Format = {
  read(text, eventsMax) {
    checkComplexity(text, eventsMax);
    const items: unknown[] = [];
    for (let start = 0; start < text.length;) {
      const newline = text.indexOf('\n', start);
      const end = newline < 0 ? text.length : newline;
      const line = text.slice(start, end).trim();
      start = end + 1;
      if (line === '') continue;
      if (items.length === eventsMax) {
        throw new RequestFault(
          'too_many_events',
          `The body has more than ${counted(eventsMax, 'line')}. One request takes at most ${counted(eventsMax, 'event')}.`,
        );
      }
      items.push(parseLine(line));
    }
    if (items.length === 0) throw new RequestFault('no_events', 'The body is empty. Send one event a line.');
    return items;
  },
  validate: validateEvent,
};

function parseLine(line: string): unknown {
  try {
    return parseExactly(line);
  } catch (error) {
    return new Unparsable(reasonOf(error));
  }
}
