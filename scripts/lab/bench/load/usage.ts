import { apiCalls, customerName, egressGb, meters, tokens, unitsPerOne } from '../../load/catalogue.ts';
import type { Owed } from '../../load/books.ts';
import type { RequestTemplate, TemplateEvent } from './request.ts';

/**
 * The usage that a bench sends: event number n belongs to customer n mod customers, and each customer has one lane, so that
 * every lane is met in turn: caches help as little as they can, and a batch of 100 holds 100 lanes of all 64 slots. Three
 * fifths are calls (whole numbers), one fifth tokens (larger ones) and one fifth gigabytes with four decimals, a third of
 * the calls with a dimension. There are as many keys as customers.
 */
export function usageOf(number: number, customers: number): TemplateEvent {
  const customer = number % customers;
  const name = customerName(customer);
  switch (customer % 5) {
    case 0:
      return {
        customer: name,
        meter: meters[tokens].name,
        units: (1 + (number % 997)) * unitsPerOne,
        dimensions: undefined,
      };
    case 1:
      return { customer: name, meter: meters[egressGb].name, units: 1 + (number % 99_991), dimensions: undefined };
    case 2:
      return { customer: name, meter: meters[apiCalls].name, units: unitsPerOne, dimensions: { region: 'eu-north-1' } };
    default:
      return { customer: name, meter: meters[apiCalls].name, units: unitsPerOne, dimensions: undefined };
  }
}

/** What is owed for everything that was acknowledged, per customer and meter. */
export function owedFor(templates: Iterable<RequestTemplate>): Owed[] {
  const sums = new Map<string, { customer: string; meter: string; units: bigint; events: number }>();
  for (const { events, acknowledged } of templates) {
    if (acknowledged === 0) continue;
    for (const { customer, meter, units } of events) {
      const place = `${customer} ${meter}`;
      const sum = sums.get(place) ?? { customer, meter, units: 0n, events: 0 };
      sum.units += BigInt(units) * BigInt(acknowledged);
      sum.events += acknowledged;
      sums.set(place, sum);
    }
  }
  return Array.from(sums.values(), (sum) => ({ ...sum, formula: 'sum' }));
}
