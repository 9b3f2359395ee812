import { expect, it } from 'vitest';
import type { Meter } from '../../../services/consumer/src/provider/provider.ts';
import { metersText, plainMeters } from './text.ts';

const keys = { customerKey: 'stripe_customer_id', valueKey: 'value' };

it('shows what a name means, what it meant before, and how old that is', () => {
  const meters: readonly Meter[] = [
    { ...keys, id: 'mtr_1', eventName: 'api_calls', formula: 'sum' },
    { ...keys, id: 'mtr_3', eventName: 'seats', formula: 'last', namesakes: [{ id: 'mtr_2', formula: 'sum' }] },
    { ...keys, id: 'mtr_4', eventName: 'old', formula: 'count', archived: true },
  ];
  expect(metersText({ meters, readAtMs: 1_000 }, 8_400).split('\n')).toEqual([
    'meter      id     formula',
    'api_calls  mtr_1  sum',
    "seats      mtr_3  last     the name was another one's too: mtr_2 (sum), with another formula",
    'old        mtr_4  count    archived',
    'Read from Stripe 7 s ago.',
  ]);
});

it('gives programs the list as it is kept', () => {
  const meters: readonly Meter[] = [{ ...keys, id: 'mtr_1', eventName: 'api_calls', formula: 'sum' }];
  expect(plainMeters({ meters, readAtMs: 1_000 })).toEqual({ readAt: '1970-01-01T00:00:01.000Z', meters });
});
