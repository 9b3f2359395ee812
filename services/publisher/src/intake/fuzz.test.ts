/**
 * Random input for every parser: none throws anything but what is answered, and none takes what a slow and obvious validator
 * refuses, nor the other way round. The validator shares no code with what it judges.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventFault } from '../../../../shared/event/event-fault.ts';
import { cloudEventFormats } from './cloud-events.ts';
import { type Format, Unparsable } from './item.ts';
import { json } from './json.ts';
import { ndjson } from './ndjson.ts';
import { isCloudEvent, isUsageEvent, nowMs, parseSlowly } from './nonsense/slow-validator.ts';
import { RequestFault } from './request-fault.ts';
import { parseForm } from './stripe/form.ts';
import { StripeRefusal } from './stripe/refusal.ts';
import { v1 } from './stripe/v1.ts';
import { v2 } from './stripe/v2.ts';

const { one: cloudEvent, batch: cloudEventBatch } = cloudEventFormats();
const nowS = nowMs / 1000;
const validation = { nowMs, newId: () => 'made' };
const numRuns = 4_000;
/** Several times what it takes, for a machine that has much else to do. */
const timeout = 60_000;

/** How often each event of a text is taken; undefined: the text is refused as a whole. Throws what must never be thrown. */
function taken(format: Format, text: string): readonly boolean[] | undefined {
  try {
    const items = format.read(text, 100);
    return items.map(
      (item) => !(item instanceof Unparsable) && !(format.validate(item, validation) instanceof EventFault),
    );
  } catch (error) {
    if (error instanceof RequestFault) return undefined;
    throw error;
  }
}

const characters = fc.constantFrom(
  'a',
  '_',
  ' ',
  'é',
  '日',
  '😀',
  '"',
  '\\',
  '\u0000',
  '\u007f',
  '\u0085',
  '\ud800',
  '\udc00',
  '\n',
  '/',
);
const text = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('cus_a', 'tokens', 'x') },
  { weight: 1, arbitrary: fc.string({ unit: characters, maxLength: 6 }) },
  { weight: 1, arbitrary: fc.nat(600).map((length) => 'l'.repeat(length)) },
);
const digits = fc.string({ unit: fc.nat(9).map(String), minLength: 1, maxLength: 18 });
const number = fc.oneof(
  fc.integer({ min: -1_000, max: 1_000 }).map(String),
  fc
    .tuple(fc.constantFrom('', '-'), fc.constantFrom('0', '1', '12', '123456789'), digits)
    .map(([sign, whole, rest]) => `${sign}${whole}.${rest}`),
  fc
    .tuple(fc.constantFrom('0', '1', '-7', '1.5'), fc.integer({ min: -420, max: 420 }))
    .map(([base, exponent]) => `${base}e${exponent}`),
  digits.map((some) => some.replace(/^0+(?=.)/, '')),
);
const time = fc.oneof(
  fc.integer({ min: nowS - 40 * 86_400, max: nowS + 600 }).map(String),
  fc
    .date({ min: new Date(nowMs - 40 * 86_400_000), max: new Date(nowMs + 600_000), noInvalidDate: true })
    .map((date) => JSON.stringify(date)),
  fc.constantFrom(
    '"2026-11-31T00:00:00Z"',
    '"2026-11-22T09:30:00+25:00"',
    '"2026-11-22 09:30:00Z"',
    '"2026-11-22T10:30:00+01:00"',
    '1e9',
    '-1',
    '"x"',
    'null',
  ),
);
const anything = fc.oneof(
  number,
  text.map((some) => JSON.stringify(some)),
  fc.constantFrom('null', 'true', '[]', '{}', '[{"a":[]}]', '{"value":1e3}'),
);
const some = (usual: fc.Arbitrary<string>): fc.Arbitrary<string | undefined> =>
  fc.oneof(
    { weight: 20, arbitrary: usual },
    { weight: 1, arbitrary: anything },
    { weight: 2, arbitrary: fc.constant(undefined) },
  );
const quoted = text.map((value) => JSON.stringify(value));
const value = fc.oneof(
  number,
  number.map((written) => `"${written}"`),
);

/** The text of an object whose members may be absent, in any order, with one more now and then. */
function objectOf(members: Readonly<Record<string, fc.Arbitrary<string | undefined>>>): fc.Arbitrary<string> {
  const other = fc.option(
    fc.tuple(fc.constantFrom('__proto__', 'constructor', 'colour', 'id', 'value', 'v\\u0061lue'), anything),
    { freq: 5, nil: undefined },
  );
  return fc.tuple(fc.record(members), other, fc.boolean()).map(([record, more, reversed]) => {
    const pairs = Object.entries(record).flatMap(([key, written]) =>
      written === undefined ? [] : [`"${key}": ${written}`],
    );
    if (more !== undefined) pairs.push(`"${more[0]}":${more[1]}`);
    return `{${(reversed ? pairs.reverse() : pairs).join(',')}}`;
  });
}
const dimensions = fc
  .array(fc.tuple(text, quoted), { maxLength: 34 })
  .map(
    (pairs) =>
      `{${pairs.map(([key, written], index) => `${JSON.stringify(key + (index > 3 ? String(index) : ''))}:${written}`).join(',')}}`,
  );
const usageEvent = objectOf({
  id: some(quoted),
  customer: some(quoted),
  meter: some(quoted),
  value: some(value),
  timestamp: some(time),
  dimensions: some(dimensions),
  account: some(quoted),
});
const cloud = objectOf({
  specversion: fc.constantFrom('"1.0"', '"1.0"', '"1.0"', '1.0', '"1"'),
  id: some(quoted),
  source: some(quoted),
  type: some(quoted),
  subject: some(quoted),
  time: some(time),
  data: some(objectOf({ value: some(value), dimensions: some(dimensions) })),
});

describe('what is taken is what may be taken', () => {
  it('of usage events', { timeout }, () => {
    let accepted = 0;
    const property = fc.property(usageEvent, (event) => {
      const expected = isUsageEvent(parseSlowly(event));
      if (expected) accepted++;
      expect(taken(json, event)).toEqual([expected]);
      expect(taken(ndjson, `${event}\n`)).toEqual([expected]);
      expect(taken(json, `[${event},{"customer":"c","meter":"m","value":1e2}]`)).toEqual([expected, true]);
    });
    fc.assert(property, { numRuns });
    expect(accepted).toBeGreaterThan(numRuns / 20);
  });

  it('of CloudEvents', { timeout }, () => {
    let accepted = 0;
    const property = fc.property(cloud, (event) => {
      const expected = isCloudEvent(parseSlowly(event));
      if (expected) accepted++;
      expect(taken(cloudEvent, event)).toEqual([expected]);
      expect(taken(cloudEventBatch, `[${event}]`)).toEqual([expected]);
    });
    fc.assert(property, { numRuns });
    expect(accepted).toBeGreaterThan(numRuns / 20);
  });
});

describe('nothing is thrown but what is answered', () => {
  const formats: readonly Format[] = [json, ndjson, cloudEvent, cloudEventBatch];

  it('for any text', { timeout }, () => {
    const damaged = fc
      .tuple(fc.oneof(usageEvent, cloud), fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }))
      .map(([event, at, splinter]) => {
        const place = at % (event.length + 1);
        return event.slice(0, place) + splinter + event.slice(place + splinter.length);
      });
    const input = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.json({ maxDepth: 8 }), damaged);
    fc.assert(
      fc.property(input, (body) => {
        for (const format of formats) expect(() => taken(format, body)).not.toThrow();
        for (const version of [v1, v2]) expect(() => stripeTaken(() => version.read(body))).not.toThrow();
      }),
      { numRuns },
    );
  });

  it('for any form, which is read like the language reads it', { timeout }, () => {
    const part = fc.oneof(
      fc.constantFrom(
        'event_name',
        'payload[value]',
        'payload[stripe_customer_id]',
        'payload[a][b]',
        'payload[',
        '%',
        '+',
        '%20',
        '%ff',
        '%e2%82%ac',
        '__proto__',
        'payload[__proto__]',
        '=',
        '&',
      ),
      fc.string({ maxLength: 8 }),
    );
    const form = fc
      .array(fc.tuple(part, part), { maxLength: 8 })
      .map((pairs) => pairs.map(([name, written]) => `${name}=${written}`).join('&'));
    fc.assert(
      fc.property(form, (body) => {
        const read = stripeTaken(() => parseForm(body));
        if (read === undefined) return;
        const expected = new URLSearchParams(`&${body}`);
        for (const [name, written] of Object.entries(read.fields)) expect(expected.getAll(name)).toEqual([written]);
        for (const [key, written] of Object.entries(read.payload ?? {}))
          expect(expected.getAll(`payload[${key}]`)).toEqual([written]);
      }),
      { numRuns },
    );
  });
});

function stripeTaken<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof StripeRefusal || error instanceof RequestFault) return undefined;
    throw error;
  }
}
