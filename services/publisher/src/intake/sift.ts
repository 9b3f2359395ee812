import { EventFault, type EventFaultCode } from '../../../../shared/event/event-fault.ts';
import { idCharsMax, isRecord } from '../../../../shared/event/fields.ts';
import { laneName, slotOf } from '../../../../shared/event/lane.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import { textFault } from '../../../../shared/event/text.ts';
import type { Validation } from '../../../../shared/event/validate.ts';
import type { PackedEvent } from '../outbox/packing.ts';
import { type Format, Unparsable } from './item.ts';
import type { Holder, RecentIds } from './recent-ids.ts';

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
  /** Events whose lane and id were taken before, in this request or in another one. The first value wins. */
  readonly duplicates: number;
  readonly rejected: readonly Rejection[];
  /** Other requests that are under way and hold one of the duplicates: it is one only if they become durable. */
  readonly awaited: ReadonlySet<Holder>;
}

export interface Sieve {
  readonly validate: Format['validate'];
  readonly validation: Validation;
  readonly recent: Pick<RecentIds, 'claim'>;
  /** The request whose events these are. */
  readonly holder: Holder;
}

const nobody: ReadonlySet<Holder> = new Set();

export function sift(items: readonly unknown[], { validate, validation, recent, holder }: Sieve): Sifted {
  const accepted: PackedEvent[] = [];
  const rejected: Rejection[] = [];
  let awaited: Set<Holder> | undefined;
  let duplicates = 0;
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    const event = item instanceof Unparsable ? notJson(item) : validate(item, validation);
    if (event instanceof EventFault) {
      rejected.push({ index, id: idOf(item), code: event.code, message: event.message });
      continue;
    }
    const lane = laneName(event);
    if (event.idGenerated !== true) {
      const before = recent.claim(lane, event.id, holder);
      if (before !== undefined) {
        duplicates++;
        if (before.outcome === undefined && before !== holder) (awaited ??= new Set()).add(before);
        continue;
      }
    }
    const text = encodeEvent(event);
    accepted.push({ slot: slotOf(event), text, bytes: Buffer.byteLength(text) });
  }
  return { accepted, duplicates, rejected, awaited: awaited ?? nobody };
}

function notJson({ why }: Unparsable): EventFault {
  return new EventFault('not_json', 'line', `text that is not JSON (${why})`, 'one JSON object');
}

function idOf(item: unknown): string | null {
  if (!isRecord(item)) return null;
  const id = item['id'];
  return typeof id === 'string' && id.length <= idCharsMax && textFault(id) === undefined ? id : null;
}
