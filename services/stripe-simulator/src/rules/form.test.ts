import { expect, it } from 'vitest';
import { parseForm } from './form.ts';

const plain = (text: string): unknown => JSON.parse(JSON.stringify(parseForm(text) ?? 'unreadable'));

it.each([
  ['', {}],
  ['a=1&b=2', { a: '1', b: '2' }],
  ['a=1&a=2', { a: '2' }],
  ['payload[stripe_customer_id]=cus_1&payload[value]=1.5', { payload: { stripe_customer_id: 'cus_1', value: '1.5' } }],
  ['payload%5Bvalue%5D=1', { payload: { value: '1' } }],
  ['default_aggregation[formula]=sum', { default_aggregation: { formula: 'sum' } }],
  ['a[b][c]=1&a[b][d]=2', { a: { b: { c: '1', d: '2' } } }],
  ['expand[0]=x&expand[1]=y', { expand: { 0: 'x', 1: 'y' } }],
  ['expand[]=x&expand[]=y', { expand: { 0: 'x', 1: 'y' } }],
  ['a=b+c%2B%3D%26%C3%A4', { a: 'b c+=&ä' }],
  ['a&b=', { a: '', b: '' }],
  ['a=1&&b=2', { a: '1', b: '2' }],
  ['constructor=1&payload[__proto__]=2', { constructor: '1', payload: JSON.parse('{"__proto__":"2"}') as unknown }],
])('reads %j', (text, expected) => {
  expect(plain(text)).toEqual(expected);
});

it.each(['a=%', 'a=%E4', 'a=1&a[b]=2', 'a[b]=1&a=2', 'a[b][c][d][e][f]=1', 'a=1&'.repeat(501)])(
  'does not read %.30j',
  (text) => {
    expect(parseForm(text)).toBeUndefined();
  },
);
