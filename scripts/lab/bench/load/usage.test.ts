import { describe, expect, it } from 'vitest';
import { RequestTemplate } from './request.ts';
import { owedFor, usageOf } from './usage.ts';

describe('usageOf', () => {
  it('gives every customer one lane with one set of dimensions, so that there are as many keys as customers', () => {
    const keys = new Set<string>();
    for (let number = 0; number < 1_000; number++) {
      const { customer, meter, dimensions } = usageOf(number, 70);
      keys.add(JSON.stringify([customer, meter, dimensions]));
    }
    expect(keys.size).toBe(70);
  });
});

describe('owedFor', () => {
  it('adds up what was acknowledged, and nothing else', () => {
    const call = { customer: 'cus_1', meter: 'api_calls', units: 10_000, dimensions: undefined };
    const gigabytes = { customer: 'cus_1', meter: 'egress_gb', units: 3, dimensions: undefined };
    const twice = new RequestTemplate('h', 'abcdef12', [call, call, gigabytes]);
    const once = new RequestTemplate('h', 'abcdef12', [call]);
    const never = new RequestTemplate('h', 'abcdef12', [{ ...call, customer: 'cus_2' }]);
    twice.acknowledged = 2;
    once.acknowledged = 1;
    expect(owedFor([twice, once, never])).toEqual([
      { customer: 'cus_1', meter: 'api_calls', formula: 'sum', units: 50_000n, events: 5 },
      { customer: 'cus_1', meter: 'egress_gb', formula: 'sum', units: 6n, events: 2 },
    ]);
  });
});
