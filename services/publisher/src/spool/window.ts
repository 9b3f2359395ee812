import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { Place } from './cursor.ts';
import type { SpoolRecord } from './record.ts';

/** One stretch of the spool on its way to the broker. */
export interface Entry {
  readonly ticket: number;
  readonly segment: number;
  readonly start: number;
  readonly end: number;
  /** Undefined: damaged bytes, to be parked. */
  readonly record: SpoolRecord | undefined;
  /** As they stand in the segment. */
  readonly bytes: Buffer;
  /** waiting → sent → done, or back to waiting; failed: waits for the pause; parking → done. */
  state: 'waiting' | 'sent' | 'failed' | 'parking' | 'done';
  returned: boolean;
}

/** What is read and not yet passed by the cursor, oldest first. */
export class Window {
  readonly #entries: Entry[] = [];
  readonly #byTicket = new Map<number, Entry>();
  #lastTicket = 0;
  #bytes = 0;
  #sent = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.length;
  }

  get sent(): number {
    return this.#sent;
  }

  get first(): Entry | undefined {
    return this.#entries[0];
  }

  add(segment: number, start: number, bytes: Buffer, record: SpoolRecord | undefined): Entry {
    const end = start + bytes.byteLength;
    const ticket = ++this.#lastTicket;
    const entry: Entry = { ticket, segment, start, end, record, bytes, state: 'waiting', returned: false };
    this.#entries.push(entry);
    this.#byTicket.set(ticket, entry);
    this.#bytes += bytes.byteLength;
    return entry;
  }

  /** The oldest that may be published. */
  nextWaiting(): Entry | undefined {
    return this.#entries.find(({ state }) => state === 'waiting');
  }

  sentAs(ticket: number): Entry | undefined {
    const entry = this.#byTicket.get(ticket);
    return entry?.state === 'sent' ? entry : undefined;
  }

  /** A message may stand in the spool twice: written, and written again when nobody knew whether it was. */
  sentWith({ producer, slot, sequence }: MessageOrigin): readonly Entry[] {
    return this.#entries.filter(
      ({ state, record }) =>
        state === 'sent' &&
        record?.origin.sequence === sequence &&
        record.origin.slot === slot &&
        record.origin.producer === producer,
    );
  }

  move(entry: Entry, state: Entry['state']): void {
    if (entry.state === 'sent') this.#sent--;
    if (state === 'sent') this.#sent++;
    entry.state = state;
    entry.returned = false;
  }

  /** Everything that is in one of these states, to another one. */
  moveAll(from: readonly Entry['state'][], to: Entry['state']): void {
    for (const entry of this.#entries) if (from.includes(entry.state)) this.move(entry, to);
  }

  /** Drops what is done at the beginning; answers where that ends. */
  passDone(): Place | undefined {
    let passed: Place | undefined;
    let count = 0;
    for (const entry of this.#entries) {
      if (entry.state !== 'done') break;
      passed = { segment: entry.segment, offset: entry.end };
      this.#byTicket.delete(entry.ticket);
      this.#bytes -= entry.bytes.byteLength;
      count++;
    }
    this.#entries.splice(0, count);
    return passed;
  }
}
