import { expect, it } from 'vitest';
import { type Fault, Faults, parseFaults } from './faults.ts';
import { seededRandom } from './random.ts';

const nobody = { customer: undefined, account: '' };
const lasting = (kind: Fault['kind'], rate = 1): Fault => ({ kind, rate, delayMs: 0 });
const newFaults = (initial: readonly Fault[], seed = 1): Faults => new Faults(initial, seededRandom(seed, 'faults'));

it('reads faults from a text', () => {
  expect(parseFaults('throttle:0.01, slow:0.05:8000,error:1')).toEqual([
    { kind: 'throttle', rate: 0.01, delayMs: 10_000 },
    { kind: 'slow', rate: 0.05, delayMs: 8_000 },
    { kind: 'error', rate: 1, delayMs: 10_000 },
  ]);
});

it.each(['', 'x:0.1', 'error', 'error:', 'error:2', 'error:-1', 'error:0.1:500', 'slow:0.1:x', 'error:0.1,'])(
  'does not read %j',
  (text) => {
    expect(parseFaults(text)).toBeUndefined();
  },
);

it('meets a fault as often as its rate says', () => {
  const faults = newFaults([lasting('error', 0.2)]);
  const met = Array.from({ length: 10_000 }, () => faults.draw(nobody, 0)).filter((fault) => fault !== undefined);
  expect(met.length).toBeGreaterThan(1_800);
  expect(met.length).toBeLessThan(2_200);
});

it('meets the same faults with the same seed', () => {
  const kinds = (seed: number): unknown[] => {
    const faults = newFaults([lasting('error', 0.3), lasting('reset', 0.3)], seed);
    return Array.from({ length: 50 }, () => faults.draw(nobody, 0)?.kind);
  };
  expect(kinds(7)).toEqual(kinds(7));
  expect(kinds(7)).not.toEqual(kinds(8));
});

it('ends a passing fault at its time, and the lasting one of its kind is there again', () => {
  const faults = newFaults([lasting('error', 0)]);
  faults.add({ ...lasting('error'), untilMs: 60_000 });
  expect(faults.draw(nobody, 59_999)?.rate).toBe(1);
  expect(faults.draw(nobody, 60_000)).toBeUndefined();
  expect(faults.list(60_000)).toEqual([lasting('error', 0)]);
});

it('lets a fault of one customer meet nobody else', () => {
  const faults = newFaults([]);
  faults.add({ ...lasting('error'), customer: 'cus_1' });
  expect(faults.draw({ ...nobody, customer: 'cus_1' }, 0)?.kind).toBe('error');
  expect(faults.draw({ ...nobody, customer: 'cus_2' }, 0)).toBeUndefined();
  expect(faults.draw(nobody, 0)).toBeUndefined();
});

it('replaces a fault of the same kind, and removes one kind or all', () => {
  const faults = newFaults([lasting('reset'), lasting('error')]);
  faults.add(lasting('error', 0.5));
  expect(faults.list(0)).toEqual([lasting('error', 0.5), lasting('reset')]);
  faults.remove('error');
  expect(faults.list(0)).toEqual([lasting('reset')]);
  faults.remove();
  expect(faults.list(0)).toEqual([]);
});

it('keeps to the connected account that it is for', () => {
  const faults = newFaults([{ ...lasting('throttle'), account: 'acct_1', reason: 'endpoint-concurrency' }]);
  expect(faults.draw(nobody, 0)).toBeUndefined();
  expect(faults.draw({ ...nobody, account: 'acct_2' }, 0)).toBeUndefined();
  expect(faults.draw({ ...nobody, account: 'acct_1' }, 0)).toMatchObject({ reason: 'endpoint-concurrency' });
});

// A list of meters that fails while its account's meter events are taken could not be expressed.
it('meets a fault of one kind of call with no other', () => {
  const faults = newFaults([{ ...lasting('error'), account: 'acct_1', endpoint: 'list-meters' }]);
  const caller = { customer: undefined, account: 'acct_1' };
  expect(faults.draw({ ...caller, endpoint: 'create-meter-event' }, 0)).toBeUndefined();
  expect(faults.draw(caller, 0)).toBeUndefined();
  expect(faults.draw({ ...caller, endpoint: 'list-meters' }, 0)).toMatchObject({ kind: 'error' });
});
