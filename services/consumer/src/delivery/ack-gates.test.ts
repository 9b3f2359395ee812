import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AckGates, type Gate } from './ack-gates.ts';

type Action =
  | { readonly type: 'deliver'; readonly gate: Gate }
  | { readonly type: 'confirm'; readonly pick: number }
  | { readonly type: 'settle' }
  | { readonly type: 'clear' };

const gate = fc.oneof(fc.constant<Gate>('none'), fc.constant<Gate>('dead_letter'), fc.integer({ min: 1, max: 6 }));
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: gate.map((opensWith): Action => ({ type: 'deliver', gate: opensWith })) },
  { weight: 2, arbitrary: fc.nat().map((pick): Action => ({ type: 'confirm', pick })) },
  { weight: 2, arbitrary: fc.constant<Action>({ type: 'settle' }) },
  { weight: 1, arbitrary: fc.constant<Action>({ type: 'clear' }) },
);

describe('AckGates', () => {
  it('acks the longest run of deliveries whose gates are open, and nothing behind it', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200, size: 'max' }), (actions) => {
        const gates = new AckGates();
        let model: { tag: number; gate: Gate }[] = [];
        let tag = 0;
        let settledThrough = 0;
        for (const step of actions) {
          switch (step.type) {
            case 'deliver':
              gates.deliver(++tag, step.gate);
              model.push({ tag, gate: step.gate });
              break;
            case 'confirm': {
              const waiting = model.filter((held) => held.gate === 'dead_letter');
              const letter = waiting[step.pick % Math.max(1, waiting.length)];
              if (letter === undefined) break;
              gates.openDeadLetter(letter.tag);
              letter.gate = 'none';
              break;
            }
            case 'settle':
              settledThrough++;
              break;
            case 'clear':
              gates.clear();
              model = [];
              break;
          }
          const isOpen = (held: Gate) => held === 'none' || (typeof held === 'number' && held <= settledThrough);
          const closed = model.findIndex((held) => !isOpen(held.gate));
          const run = closed < 0 ? model : model.slice(0, closed);
          expect(gates.take(settledThrough)).toBe(run.at(-1)?.tag);
          model = model.slice(run.length);
          expect(gates.size).toBe(model.length);
        }
      }),
    );
  });

  it('does not ack a settled delivery over one before it that is not', () => {
    const gates = new AckGates();
    gates.deliver(1, 2);
    gates.deliver(2, 1);
    gates.deliver(3, 'none');
    expect(gates.take(1)).toBeUndefined();
    expect(gates.take(2)).toBe(3);
  });

  it('acks one run once', () => {
    const gates = new AckGates();
    gates.deliver(1, 'none');
    expect(gates.take(0)).toBe(1);
    expect(gates.take(0)).toBeUndefined();
  });

  it('keeps everything behind an unreadable message until its copy is confirmed', () => {
    const gates = new AckGates();
    gates.deliver(1, 'none');
    gates.deliver(2, 'dead_letter');
    gates.deliver(3, 'none');
    expect(gates.take(9)).toBe(1);
    gates.openDeadLetter(3);
    expect(gates.take(9)).toBeUndefined();
    gates.openDeadLetter(2);
    expect(gates.take(9)).toBe(3);
  });

  it('works on after far more deliveries than it holds at a time', () => {
    const gates = new AckGates();
    for (let tag = 1; tag <= 10_000; tag++) {
      gates.deliver(tag, tag);
      expect(gates.take(tag - 5)).toBe(tag <= 5 ? undefined : tag - 5);
    }
    expect(gates.size).toBe(5);
  });
});
