import fc from 'fast-check';
import { expect, it } from 'vitest';
import { defaultLimits } from './limits.ts';
import { type Batch, type PackedEvent, Packing, type Ticket } from './packing.ts';

const limits = { ...defaultLimits, messageEventsMax: 4, messageBytesMax: 100 };
const envelopeBytes = 20;
const lingerMs = 10;

const action = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      slots: fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 6 }),
      bytes: fc.integer({ min: 1, max: 60 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 15 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
);

it('puts every event into one batch of its slot, in order, within the bounds, and counts each request once per batch', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const packing = new Packing(limits, envelopeBytes);
      const added: PackedEvent[] = [];
      const tickets: Ticket[] = [];
      const taken: Batch[] = [];
      let nowMs = 0;
      const takeAll = (): void => {
        for (let batch = packing.take(); batch !== undefined; batch = packing.take()) taken.push(batch);
      };
      for (const next of actions) {
        if (next.do === 'pass') {
          nowMs += next.ms;
          packing.flush(nowMs);
        } else if (next.do === 'take') {
          takeAll();
        } else {
          const ticket: Ticket = { request: tickets.length, outstanding: 0, answered: false };
          tickets.push(ticket);
          for (const slot of next.slots) {
            const event = { slot, text: `event ${added.length}`, bytes: next.bytes };
            added.push(event);
            packing.add(event, ticket, nowMs, nowMs, lingerMs);
          }
        }
        expect(packing.lingerUntilMs).toBeGreaterThan(nowMs);
      }
      packing.flush(nowMs + lingerMs);
      takeAll();
      for (const slot of [0, 1, 2]) {
        const of = taken.filter((batch) => batch.slot === slot);
        expect(of.flatMap(({ texts }) => texts)).toEqual(
          added.filter((event) => event.slot === slot).map(({ text }) => text),
        );
      }
      for (const { texts, bodyBytes } of taken) {
        expect(texts.length).toBeLessThanOrEqual(limits.messageEventsMax);
        expect(bodyBytes <= limits.messageBytesMax || texts.length === 1).toBe(true);
      }
      for (const ticket of tickets)
        expect(ticket.outstanding).toBe(taken.filter((batch) => batch.tickets.includes(ticket)).length);
    }),
  );
});
