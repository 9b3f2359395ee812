import type { EventFault } from '../../../../shared/event/event-fault.ts';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { Validation } from '../../../../shared/event/validate.ts';

/** Stands in the place of an event that could not even be parsed. No JSON value is an instance of it. */
export class Unparsable {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

/** How the events of a body are written. */
export interface Format {
  /** What stands in the place of each event, unchecked. Throws a `RequestFault` if it cannot be read at all, or holds more than `eventsMax`. */
  readonly read: (text: string, eventsMax: number) => readonly unknown[];
  readonly validate: (input: unknown, validation: Validation) => UsageEvent | EventFault;
}
