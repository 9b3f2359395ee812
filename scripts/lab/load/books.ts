import { customerName, type Formula, meters, unitsPerOne } from './catalogue.ts';
import type { FreshEvent } from './traffic.ts';

/** What one customer owes for one meter, if nothing is lost and nothing doubled. */
export interface Owed {
  readonly customer: string;
  readonly meter: string;
  readonly formula: Formula;
  /** Sum, number of events, or newest value: in units of 10^-4. */
  readonly units: bigint;
  readonly events: number;
}

/**
 * The sender's own exact books: what was answered 202, per customer and meter. Independent of Tallyman's arithmetic, and
 * of a size that depends on customers and not on events. The arrays can be sent between threads.
 */
export interface Books {
  readonly units: BigInt64Array;
  readonly events: Float64Array;
  /** Of `last` meters: when the value in `units` was read. */
  readonly newestAtS: Float64Array;
}

export function openBooks(customers: number): Books {
  const places = customers * meters.length;
  return {
    units: new BigInt64Array(places),
    events: new Float64Array(places),
    newestAtS: new Float64Array(places),
  };
}

/** Enters an event that was answered 202 for the first time. */
export function enter(books: Books, { place, units, atS }: FreshEvent): void {
  const meter = meters[place % meters.length];
  const events = books.events[place];
  const standing = books.units[place];
  const newestAtS = books.newestAtS[place];
  if (meter === undefined || events === undefined || standing === undefined || newestAtS === undefined) {
    throw new Error(`there is no place ${place} in these books`);
  }
  books.events[place] = events + 1;
  switch (meter.formula) {
    case 'sum':
      books.units[place] = standing + BigInt(units);
      break;
    case 'count':
      books.units[place] = standing + BigInt(unitsPerOne);
      break;
    case 'last':
      if (events > 0 && atS < newestAtS) break;
      books.units[place] = BigInt(units);
      books.newestAtS[place] = atS;
      break;
  }
}

/** Everything owed in all books. No two of them may hold usage of the same customer. */
export function* owed(all: readonly Books[]): Generator<Owed> {
  for (const books of all) {
    for (const [place, events] of books.events.entries()) {
      if (events === 0) continue;
      const meter = meters[place % meters.length];
      const units = books.units[place];
      if (meter === undefined || units === undefined) throw new Error(`the books have a gap at ${place}`);
      const customer = customerName(Math.floor(place / meters.length));
      yield { customer, meter: meter.name, formula: meter.formula, units, events };
    }
  }
}
