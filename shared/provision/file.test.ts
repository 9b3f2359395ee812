import { describe, expect, it } from 'vitest';
import { FileError, parseFile } from './file.ts';

const whole = `
currency: eur
meters:
  - event_name: api_calls
    display_name: API calls
    price: { unit_amount_decimal: 0.000000000001, product: The API }
  - event_name: seats used
    formula: last
    customer_key: who
    value_key: much
    price: { unit_amount_decimal: "1500", interval: year }
  - event_name: internal
    formula: count
customers:
  - email: first@example.com
    name: First
  - id: cus_1
    meters: [api_calls]
    days_until_due: charge
`;

it('reads meters, prices and customers, with amounts as they are written', () => {
  expect(parseFile(whole)).toEqual({
    meters: [
      {
        eventName: 'api_calls',
        displayName: 'API calls',
        formula: 'sum',
        customerKey: 'stripe_customer_id',
        valueKey: 'value',
        price: {
          productId: 'tallyman_api_calls',
          productName: 'The API',
          lookupKey: 'tallyman_api_calls',
          currency: 'eur',
          unitAmount: '0.000000000001',
          interval: 'month',
        },
      },
      {
        eventName: 'seats used',
        displayName: 'seats used',
        formula: 'last',
        customerKey: 'who',
        valueKey: 'much',
        price: {
          productId: expect.stringMatching(/^tallyman_seats-used-[0-9a-f]{8}$/),
          productName: 'seats used',
          lookupKey: 'tallyman_seats used',
          currency: 'eur',
          unitAmount: '1500',
          interval: 'year',
        },
      },
      {
        eventName: 'internal',
        displayName: 'internal',
        formula: 'count',
        customerKey: 'stripe_customer_id',
        valueKey: 'value',
        price: undefined,
      },
    ],
    customers: [
      {
        id: undefined,
        email: 'first@example.com',
        name: 'First',
        meters: ['api_calls', 'seats used'],
        daysUntilDue: 30,
      },
      { id: 'cus_1', email: undefined, name: undefined, meters: ['api_calls'], daysUntilDue: undefined },
    ],
  });
});

function faultsOf(yaml: string): readonly string[] {
  try {
    parseFile(yaml);
  } catch (error) {
    if (error instanceof FileError) return error.faults;
    throw error;
  }
  return [];
}

describe('a file that cannot be used', () => {
  it('is told all its faults, each with its line', () => {
    const faults = faultsOf(
      [
        'currency: EUR',
        'meters:',
        '  - event_name: a',
        '    price: { unit_amount_decimal: 1 }',
        '  - event_name: a',
      ].join('\n'),
    );
    expect(faults).toEqual([
      'line 1: currency: it must be a currency of three small letters.',
      'line 5: meters[1].event_name: a stands twice in the file.',
    ]);
  });

  it.each([
    ['meters: []', 'line 1: meters: there is no meter.'],
    ['meters: [{ event_name: a, formula: avg }]', 'meters[0].formula: Invalid option'],
    ['meters: [{ event_name: a, price: { unit_amount_decimal: 1e-3 } }]', 'a decimal with at most 12 places'],
    ['meters: [{ event_name: a, price: { unit_amount_decimal: 0.0000000000001 } }]', 'at most 12 places'],
    ['meters: [{ event_name: a, unit: b }]', 'Unrecognized key: "unit"'],
    ['meters: [{ event_name: a }]\ncustomers: [{ name: x }]', 'line 2: customers[0]: it needs an email'],
    ['meters: [{ event_name: a }]\ncustomers: [{ email: x }]', 'customers[0].email: it must be an email address'],
    ['meters: [{ event_name: a }]\ncustomers: [{ email: a@b, meters: [a] }]', 'the meter a has no price'],
    ['meters: [{ event_name: a }]\ncustomers: [{ email: a@b, meters: [b] }]', 'there is no meter b in the file'],
    ['meters: [{ event_name: a }]\ncustomers: [{ email: a@b }, { email: a@b }]', 'this customer stands twice'],
    [
      'meters: [{ event_name: a, price: { unit_amount_decimal: 1 } }, { event_name: b, price: { unit_amount_decimal: 1, currency: eur } }]\ncustomers: [{ email: a@b }]',
      'a subscription has one currency, and these meters have usd, eur',
    ],
    ['meters: [', 'line 1'],
    ['', 'line 1: Invalid input'],
  ])('%s', (yaml, sentence) => {
    expect(faultsOf(yaml).join('\n')).toContain(sentence);
  });
});
