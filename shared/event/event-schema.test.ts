import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EventFault, type EventFaultCode } from './event-fault.ts';
import { eventSchema } from './event-schema.ts';
import { validateEvent } from './validate.ts';

const nowMs = Date.UTC(2026, 10, 22, 9, 30);
const ajv = new Ajv2020();
formats.default(ajv);
const satisfies = ajv.compile(eventSchema);

/** What depends on the time, or on how many digits count, no schema can say. */
const beyondSchemas: ReadonlySet<EventFaultCode> = new Set([
  'timestamp_too_old',
  'timestamp_in_future',
  'value_too_many_digits',
]);

const text = fc.oneof(
  fc.string({ maxLength: 3, unit: 'grapheme' }),
  fc.integer({ min: 99, max: 101 }).map((length) => 'x'.repeat(length)),
  fc.integer({ min: 254, max: 256 }).map((length) => 'x'.repeat(length)),
  fc.constantFrom('', 'a\u0000', 'a\u001f', 'a\u007f', 'a\u009f', 'a\u00a0', 'a b', 'Zoë', '\u{1f600}'.repeat(50)),
);
const nothing = fc.constantFrom<unknown>(undefined, null, true, 7, {}, [], ['x']);
const value = fc.oneof(
  fc.integer(),
  fc.constantFrom<unknown>(
    0.1,
    1e21,
    1e-7,
    '0',
    '-0.0',
    '1.50',
    '01',
    '1e3',
    '+1',
    '.5',
    '5.',
    '',
    ' 1',
    '1'.repeat(65),
  ),
  nothing,
);
const timestamp = fc.oneof(
  fc.integer({ min: -10, max: 200_000_000_000 }),
  fc.constantFrom<unknown>(
    1e11,
    99_999_999_999,
    '2026-11-22T09:30:00Z',
    '2026-11-22T09:30:00.123+01:00',
    '2026-11-22',
    '',
  ),
  nothing,
);
const dimensions = fc.oneof(
  fc.dictionary(text, fc.oneof(text, nothing), { maxKeys: 3 }),
  fc
    .integer({ min: 31, max: 33 })
    .map((count) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`d${at}`, 'x']))),
  fc.integer({ min: 499, max: 501 }).map((length) => ({ d: 'x'.repeat(length) })),
  nothing,
);
const plain = {
  id: 'e1',
  customer: 'cus_a',
  meter: 'tokens',
  value: 3,
  timestamp: nowMs / 1000,
  dimensions: { a: 'b' },
};
const fields = { id: text, customer: text, meter: text, value, timestamp, dimensions, account: text, Value: value };
/** One field of an event, anew: mostly with a form that this field can have. */
const change = fc
  .constantFrom(...(Object.keys(fields) as (keyof typeof fields)[]))
  .chain((field) => fc.oneof({ weight: 3, arbitrary: fields[field] }, nothing).map((drawn) => ({ [field]: drawn })));
const changed = fc
  .array(change, { maxLength: 2 })
  .map((changes) => Object.assign({}, plain, ...changes) as Readonly<Record<string, unknown>>);
const event = fc.oneof({ weight: 20, arbitrary: changed }, nothing);

it('accepts exactly what the sidecar takes, save what no schema can say', () => {
  const counts = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(event, (drawn) => {
      // As it would arrive: without what is undefined.
      const sent = JSON.parse(JSON.stringify(drawn) ?? 'null') as unknown;
      const result = validateEvent(sent, { nowMs, newId: () => 'made' });
      const isTaken = !(result instanceof EventFault);
      counts[isTaken ? 'taken' : 'refused']++;
      // Beside such a fault there may be another one.
      if (!isTaken && beyondSchemas.has(result.code)) return;
      const why = isTaken ? ajv.errorsText(satisfies.errors) : result.message;
      expect(satisfies(sent), `${JSON.stringify(sent)}: ${why}`).toBe(isTaken);
    }),
    { numRuns: 5_000 },
  );
  expect(Math.min(counts.taken, counts.refused)).toBeGreaterThan(500);
});
