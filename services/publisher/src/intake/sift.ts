import { EventFault, type EventFaultCode } from '../../../../shared/event/event-fault.ts';
import { idCharsMax, isRecord } from '../../../../shared/event/fields.ts';
import { laneName, slotOf } from '../../../../shared/event/lane.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import { textFault } from '../../../../shared/event/text.ts';
import { validateEvent, type Validation } from '../../../../shared/event/validate.ts';
import type { PackedEvent } from '../outbox/packing.ts';
import type { Item } from './item.ts';

export interface Rejection {
  /** Position in the request, from 0. */
  readonly index: number;
  /** As it was sent, if it is one that an event may have. */
  readonly id: string | null;
  readonly code: EventFaultCode;
  readonly message: string;
}

/** A request's events: the three are disjoint and add up to it. */
export interface Sifted {
  readonly accepted: readonly PackedEvent[];
  /** Events whose lane and id stand earlier in the same request. The first value wins. */
  readonly duplicates: number;
  readonly rejected: readonly Rejection[];
}

export function sift(items: readonly Item[], validation: Validation): Sifted {
  const accepted: PackedEvent[] = [];
  const rejected: Rejection[] = [];
  const seen = new Set<string>();
  let duplicates = 0;
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    if (item === undefined) continue;
    const event = 'parsed' in item ? validateEvent(item.parsed, validation) : notJson(item.unparsable);
    if (event instanceof EventFault) {
      rejected.push({ index, id: idOf(item), code: event.code, message: event.message });
      continue;
    }
    const lane = laneName(event);
    if (items.length > 1 && event.idGenerated !== true) {
      const before = seen.size;
      if (seen.add(`${lane}\0${event.id}`).size === before) {
        duplicates++;
        continue;
      }
    }
    const text = encodeEvent(event);
    accepted.push({ slot: slotOf(event), text, bytes: Buffer.byteLength(text) });
  }
  return { accepted, duplicates, rejected };
}

function notJson(why: string): EventFault {
  return new EventFault('not_json', 'line', `text that is not JSON (${why})`, 'one JSON object');
}

function idOf(item: Item): string | null {
  if (!('parsed' in item) || !isRecord(item.parsed)) return null;
  const id = item.parsed['id'];
  return typeof id === 'string' && id.length <= idCharsMax && textFault(id) === undefined ? id : null;
}
