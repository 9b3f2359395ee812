import { describe, expect, it } from 'vitest';
import { type Books, enter, openBooks, owed } from './books.ts';
import { meters } from './catalogue.ts';
import { Traffic, type TrafficOptions } from './traffic.ts';

const nowMs = 1_760_000_000_000;
const options: TrafficOptions = {
  seed: 7,
  run: 'run',
  customers: 40,
  events: 20_000,
  part: { index: 0, of: 1 },
  startMs: nowMs,
};

interface Sent {
  readonly id: string;
  readonly customer: string;
  readonly meter: string;
  readonly value?: number | string;
  readonly timestamp: number | string;
}

function send(traffic: Traffic, books: Books, events: number): Sent[] {
  const known: string[] = [];
  const sent: Sent[] = [];
  for (let count = 0; count < events; count += 100) {
    const batch = traffic.next(100, nowMs, known);
    known.push(...batch.texts);
    for (const event of batch.fresh) enter(books, event);
    const parsed = JSON.parse(batch.body) as Sent[];
    expect(parsed).toHaveLength(batch.size);
    sent.push(...parsed);
  }
  return sent;
}

/** The books again, kept the slow way from what was really sent. */
function totalsOf(sent: readonly Sent[]): Map<string, number> {
  const totals = new Map<string, number>();
  const newest = new Map<string, number>();
  const seen = new Set<string>();
  for (const { id, customer, meter, value = 1, timestamp } of sent) {
    if (seen.has(id)) continue;
    seen.add(id);
    const place = `${customer} ${meter}`;
    if (meters.find(({ name }) => name === meter)?.formula !== 'last') {
      totals.set(place, (totals.get(place) ?? 0) + Math.round(Number(value) * 10_000));
    } else if (Number(timestamp) > (newest.get(place) ?? 0)) {
      newest.set(place, Number(timestamp));
      totals.set(place, Number(value) * 10_000);
    }
  }
  return totals;
}

describe('the traffic', () => {
  it('is exactly what the books say, with repeated events counted once', () => {
    const books = openBooks(options.customers);
    const sent = send(new Traffic(options), books, options.events);
    expect(sent.length).toBeGreaterThan(options.events);
    const kept = new Map(
      [...owed([books])].map(({ customer, meter, units }) => [`${customer} ${meter}`, Number(units)]),
    );
    expect(kept).toEqual(totalsOf(sent));
  });

  it('has every meter, late events, corrections and dimensions', () => {
    const sent = send(new Traffic(options), openBooks(options.customers), options.events);
    expect(new Set(sent.map(({ meter }) => meter))).toEqual(new Set(meters.map(({ name }) => name)));
    expect(sent.some(({ timestamp }) => typeof timestamp === 'string')).toBe(true);
    expect(sent.some(({ value }) => typeof value === 'string' && value.startsWith('-'))).toBe(true);
    expect(sent.some((event) => 'dimensions' in event)).toBe(true);
  });

  it('never gives two readings of a customer the same second', () => {
    const sent = send(new Traffic({ ...options, customers: 1 }), openBooks(1), options.events);
    const readings = new Map(sent.filter(({ meter }) => meter === 'seats').map(({ id, timestamp }) => [id, timestamp]));
    expect(new Set(readings.values()).size).toBe(readings.size);
  });

  it('is the same for the same seed, and its parts share no customer', () => {
    const part = (index: number) =>
      send(new Traffic({ ...options, part: { index, of: 2 } }), openBooks(options.customers), 1_000);
    expect(part(0)).toEqual(part(0));
    const customers = new Set(part(0).map(({ customer }) => customer));
    expect(part(1).filter(({ customer }) => customers.has(customer))).toEqual([]);
  });
});
