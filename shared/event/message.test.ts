import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { slotOf } from './lane.ts';
import { decodeMessage, encodeHeaders, encodeMessage, UnreadableMessage } from './message.ts';
import { encodeEvent } from './stored-event.ts';
import type { UsageEvent, UsageMessage } from './usage-event.ts';
import { validateEvent } from './validate.ts';

interface Vector {
  readonly name: string;
  readonly headers: { readonly 'x-producer': string; readonly 'x-slot': number; readonly 'x-sequence': number };
  readonly body: string;
}
interface Vectors {
  readonly messages: readonly (Vector & { readonly routingKey: string; readonly message: UsageMessage })[];
  readonly readable: readonly Vector[];
  readonly unreadable: readonly (Vector & { readonly reason: string })[];
}
// Not imported as a module: the test runner would make an object literal of it, in which __proto__ is no key.
const vectors = JSON.parse(readFileSync(new URL('./message-vectors.json', import.meta.url), 'utf8')) as Vectors;
const nowMs = Date.UTC(2026, 10, 22);

describe('the vectors', () => {
  it.each(vectors.messages)('$name: is written to these very bytes', ({ headers, message, body }) => {
    const { version, events, ...envelope } = message;
    expect(version).toBe(1);
    expect(encodeMessage(envelope, events.map(encodeEvent)).toString()).toBe(body);
    const origin = { producer: headers['x-producer'], slot: headers['x-slot'], sequence: headers['x-sequence'] };
    expect(encodeHeaders(origin)).toEqual(headers);
  });

  it.each(vectors.messages)('$name: is read as it was', ({ headers, message, body, routingKey }) => {
    const read = decodeMessage(Buffer.from(body), headers);
    expect(read.message).toEqual(message);
    expect(String(read.origin.slot)).toBe(routingKey);
  });

  it.each(vectors.readable)('$name: is read', ({ headers, body }) => {
    expect(decodeMessage(Buffer.from(body), headers).message.events).toHaveLength(1);
  });

  it.each(vectors.unreadable)('$name: is refused as $reason', ({ headers, body, reason }) => {
    expect(reasonOf(Buffer.from(body), headers)).toBe(reason);
  });
});

describe('decodeMessage', () => {
  const { headers, body } = vectors.messages[0]!;

  // Another language's publisher wrote six places, and the consumer rounded its last event of November into December.
  it.each(['1796083199.9996', '1796083199.999999', '1796083199.99999999999', '1.79608319999999e9'])(
    'cuts the time %s to the millisecond',
    (written) => {
      const event = encodeEvent({ id: '1', customer: 'c', meter: 'm', value: '1', timestamp: 7 });
      const text = encodeMessage({ receivedAt: 1796083200, source: '', region: '' }, [event]).toString();
      const slot = slotOf({ customer: 'c', meter: 'm' });
      const { message } = decodeMessage(
        Buffer.from(text.replace('"timestamp":7', `"timestamp":${written}`)),
        encodeHeaders({ producer: 'p', slot, sequence: 1 }),
      );
      expect(message.events[0]?.timestamp).toBe(1796083199.999);
    },
  );

  it('refuses bytes that are not UTF-8 instead of reading them as U+FFFD', () => {
    const bytes = Buffer.from(body.replace('sidecar', 'side\u00ffcar'), 'latin1');
    expect(reasonOf(bytes, headers)).toBe('body_not_utf8');
  });

  it.each([undefined, null, 'x', [], 7])('refuses the headers %j', (wrong) => {
    expect(reasonOf(Buffer.from(body), wrong)).toBe('origin_invalid');
  });

  it.each([
    ['x-slot', 64],
    ['x-slot', -1],
    ['x-slot', 1.5],
    ['x-sequence', 2 ** 53],
    ['x-sequence', Number.NaN],
    ['x-producer', 'p'.repeat(65)],
    ['x-producer', ''],
  ])('refuses the header %s of %s', (name, value) => {
    expect(reasonOf(Buffer.from(body), { ...headers, [name]: value })).toBe('origin_invalid');
  });

  it('reads a view into a larger buffer, as a network client hands it over', () => {
    const frame = Buffer.from(`garbage${body}garbage`);
    expect(decodeMessage(frame.subarray(7, frame.length - 7), headers).message.events).toHaveLength(1);
  });

  it('takes idGenerated only as true', () => {
    const forged = body.replace('"customer"', '"idGenerated":false,"customer"');
    expect(reasonOf(Buffer.from(forged), headers)).toBe('event_invalid');
  });

  it('keeps a dimension called __proto__ as a dimension', () => {
    const withProto = body.replace('"timestamp"', '"dimensions":{"__proto__":"x"},"timestamp"');
    const { dimensions } = decodeMessage(Buffer.from(withProto), headers).message.events[0]!;
    expect(Object.entries(dimensions!)).toEqual([['__proto__', 'x']]);
  });

  it('gives back what validation let through, whatever the characters', () => {
    fc.assert(
      fc.property(applicationEvent, (input) => {
        const event = validateEvent(JSON.parse(JSON.stringify(input)), { nowMs, newId: () => 'made' }) as UsageEvent;
        const slot = slotOf(event);
        const envelope = { receivedAt: nowMs / 1000, source: 's', region: 'r' };
        const bytes = encodeMessage(envelope, [encodeEvent(event), encodeEvent(event)]);
        const read = decodeMessage(bytes, encodeHeaders({ producer: 'p', slot, sequence: 1 }));
        expect(read.message).toEqual({ version: 1, ...envelope, events: [event, event] } satisfies UsageMessage);
      }),
    );
  });
});

const text = (maxLength: number) =>
  fc
    .string({ minLength: 1, maxLength, unit: 'grapheme' })
    .filter((value) => value.length <= maxLength && !/\p{Cc}/u.test(value));

const applicationEvent = fc.record(
  {
    id: text(100),
    customer: text(255),
    meter: text(100),
    value: fc.integer({ min: -999_999, max: 999_999 }),
    timestamp: fc.integer({ min: nowMs / 1000 - 86_400, max: nowMs / 1000 }),
    dimensions: fc.dictionary(text(100), text(500), { maxKeys: 32 }),
    account: fc.constantFrom('acct_1', 'acct_"\\'),
  },
  { requiredKeys: ['customer', 'meter'] },
);

function reasonOf(body: Uint8Array, headers: unknown): string {
  try {
    decodeMessage(body, headers);
  } catch (error) {
    if (error instanceof UnreadableMessage) return error.reason;
    throw error;
  }
  return 'readable';
}
