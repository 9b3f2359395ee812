/** Bodies that the document allows, and bodies that it forbids: the sidecar must agree. */
export const nowS = Math.floor(Date.now() / 1_000);
export const iso = new Date(nowS * 1_000).toISOString();
const long = 'x'.repeat(101);

export const jsonType = 'application/json';
export const formType = 'application/x-www-form-urlencoded';
const one = 'application/cloudevents+json';
const batch = 'application/cloudevents-batch+json';

export const event = { customer: 'cus_1', meter: 'tokens' };
const cloudEvent = { specversion: '1.0', id: 'c-1', source: '/gateway', type: 'tokens', subject: 'cus_1' };

export const validEvents: readonly (readonly [mediaType: string, body: unknown])[] = [
  [jsonType, event],
  [jsonType, { ...event, value: 1.5, timestamp: nowS, dimensions: { model: 'large' }, account: 'acct_1' }],
  [jsonType, [{ ...event, value: '-0.25', timestamp: iso }, event]],
  [one, cloudEvent],
  [one, { ...cloudEvent, id: 'c-2', time: iso, data: { value: 7, more: [] }, datacontenttype: jsonType }],
  [one, { ...cloudEvent, id: 'c-3', data: null }],
  [batch, [{ ...cloudEvent, id: 'c-4', data: { value: '0.5' } }]],
];

export const invalidEvents: readonly (readonly [mediaType: string, body: unknown])[] = [
  [jsonType, {}],
  [jsonType, []],
  [jsonType, 7],
  [jsonType, { ...event, Value: 2 }],
  [jsonType, { ...event, id: long }],
  [jsonType, { ...event, value: 'ten' }],
  [jsonType, { ...event, timestamp: Date.now() }],
  [jsonType, { ...event, dimensions: { seats: 5 } }],
  [one, { ...cloudEvent, specversion: '0.3' }],
  [one, { specversion: '1.0', id: 'c-1', source: '/gateway', type: 'tokens' }],
  [one, { ...cloudEvent, source: '' }],
  [one, { ...cloudEvent, time: nowS }],
  [one, { ...cloudEvent, data: {} }],
  [one, { ...cloudEvent, data: 'text' }],
  [one, { ...cloudEvent, data_base64: 'AA==' }],
  [one, [cloudEvent]],
  [batch, cloudEvent],
];

const payload = { stripe_customer_id: 'cus_1', value: '25' };

export interface MeterEvent {
  readonly event_name?: string;
  readonly identifier?: string;
  readonly timestamp?: number | string;
  readonly payload?: Readonly<Record<string, string>>;
}

export const meterEvent: MeterEvent = { event_name: 'tokens', payload };

export const validMeterEvents: readonly MeterEvent[] = [
  meterEvent,
  { ...meterEvent, identifier: 'e-1' },
  { ...meterEvent, payload: { ...payload, value: '-0.5', region: 'eu' } },
];

export const invalidMeterEvents: readonly MeterEvent[] = [
  {},
  { event_name: 'tokens' },
  { payload },
  { ...meterEvent, ...{ colour: 'red' } },
  { ...meterEvent, identifier: long },
  { ...meterEvent, payload: { value: '1' } },
  { ...meterEvent, payload: { stripe_customer_id: 'cus_1' } },
  { ...meterEvent, payload: { ...payload, value: 'ten' } },
  { ...meterEvent, payload: { ...payload, region: '' } },
];

/** As Stripe's packages write a form. */
export function formOf({ payload: map = {}, ...fields }: MeterEvent): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) form.append(name, String(value));
  for (const [key, text] of Object.entries(map)) form.append(`payload[${key}]`, text);
  return form.toString();
}
