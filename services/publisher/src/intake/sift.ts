import { EventFault, type EventFaultCode } from '../../../../shared/event/event-fault.ts';
import { idCharsMax, isRecord } from '../../../../shared/event/fields.ts';
import { laneName, slotOf } from '../../../../shared/event/lane.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import { textFault } from '../../../../shared/event/text.ts';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
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
  const seen = new SeenIds();
  let duplicates = 0;
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    if (item === undefined) continue;
    const event = 'parsed' in item ? validateEvent(item.parsed, validation) : notJson(item.unparsable);
    if (event instanceof EventFault) {
      rejected.push({ index, id: idOf(item), code: event.code, message: event.message });
      continue;
    }
    if (items.length > 1 && event.idGenerated !== true && !seen.add(event)) {
      duplicates++;
      continue;
    }
    const text = encodeEvent(event);
    accepted.push({ slot: slotOf(event), text, bytes: Buffer.byteLength(text) });
  }
  return { accepted, duplicates, rejected };
}

/** Which events stand in a request already. Most ids do once, so that lanes are only compared for those that do not. */
class SeenIds {
  readonly #first = new Map<string, UsageEvent>();
  readonly #further = new Set<string>();

  /** False if one with this lane and id was added before. */
  add(event: UsageEvent): boolean {
    const first = this.#first.get(event.id);
    if (first === undefined) {
      this.#first.set(event.id, event);
      return true;
    }
    if (laneName(first) === laneName(event)) return false;
    const before = this.#further.size;
    return this.#further.add(`${laneName(event)}\0${event.id}`).size > before;
  }
}

function notJson(why: string): EventFault {
  return new EventFault('not_json', 'line', `text that is not JSON (${why})`, 'one JSON object');
}

function idOf(item: Item): string | null {
  if (!('parsed' in item) || !isRecord(item.parsed)) return null;
  const id = item.parsed['id'];
  return typeof id === 'string' && id.length <= idCharsMax && textFault(id) === undefined ? id : null;
}
