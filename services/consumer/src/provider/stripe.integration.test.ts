import { describe, expect, it } from 'vitest';
import { Secret } from '../../../../shared/config/secret.ts';
import { MetersUnreadable } from './provider.ts';
import { accept, entry, json, meter, providerAt, type Reply, scriptedStripe } from './testing/scripted-stripe.ts';

describe('an entry sent to Stripe', () => {
  it("is one meter event under its identifier, with the meter's own keys and the dimensions beside them", async () => {
    const { base, seen } = await scriptedStripe(accept);
    const sent = { ...entry, dimensions: { region: 'eu west', tier: 'a&b=c' } };
    expect(await providerAt(base).send(sent, meter)).toEqual({ kind: 'accepted' });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/v1/billing/meter_events' });
    expect(Object.fromEntries(seen[0]!.body)).toEqual({
      event_name: 'api_calls',
      identifier: entry.identifier,
      timestamp: '1760000000',
      'payload[who]': 'cus_1',
      'payload[how_much]': '12.5',
      'payload[region]': 'eu west',
      'payload[tier]': 'a&b=c',
    });
  });

  it("uses Stripe's default keys for a meter that is not known", async () => {
    const { base, seen } = await scriptedStripe(accept);
    await providerAt(base).send(entry, undefined);
    expect(seen[0]!.body.get('payload[stripe_customer_id]')).toBe('cus_1');
    expect(seen[0]!.body.get('payload[value]')).toBe('12.5');
  });

  it('goes to its connected account', async () => {
    const { base, seen } = await scriptedStripe(accept);
    const provider = providerAt(base);
    await provider.send({ ...entry, account: 'acct_1' }, meter);
    await provider.send(entry, meter);
    expect(seen.map(({ headers }) => headers['stripe-account'])).toEqual(['acct_1', undefined]);
  });

  it('has another Idempotency-Key each time, so that a stored 500 is not replayed, and no telemetry', async () => {
    const { base, seen } = await scriptedStripe(
      json(500, { error: { type: 'api_error', message: 'Sorry.' } }, { 'request-id': 'req_1' }),
    );
    const provider = providerAt(base);
    const outcomes = [await provider.send(entry, meter), await provider.send(entry, meter)];
    expect(outcomes).toMatchObject([{ kind: 'unknown' }, { kind: 'unknown' }]);
    expect(seen).toHaveLength(2);
    expect(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
    expect(new Set(seen.map(({ body }) => body.get('identifier'))).size).toBe(1);
    expect(seen[1]!.headers).not.toHaveProperty('x-stripe-client-telemetry');
  });

  it('tells of a key that is refused, and of nothing else that keeps Stripe from answering', async () => {
    const error = (status: number) => json(status, { error: { type: 'api_error', message: 'Not now.' } });
    const refused = { error: { type: 'invalid_request_error', message: 'Invalid API Key provided' } };
    for (const status of [401, 403]) {
      const { base, seen } = await scriptedStripe(json(status, refused));
      expect(await providerAt(base).keyRefusal()).toContain('Invalid API Key');
      expect(seen[0]).toMatchObject({ method: 'GET', url: '/v1/billing/meters?limit=1' });
    }
    for (const answer of [error(429), error(500), error(503), error(409), json(200, { object: 'list', data: [] })]) {
      const { base } = await scriptedStripe(answer);
      expect(await providerAt(base).keyRefusal()).toBeUndefined();
    }
    expect(await providerAt('http://127.0.0.1:1').keyRefusal()).toBeUndefined();
  });

  it('takes a rotated key without a restart', async () => {
    const { base, seen } = await scriptedStripe(accept);
    let key = 'sk_test_old';
    let nowMs = 0;
    const provider = providerAt(base, {
      apiKey: new Secret(
        key,
        () => key,
        () => nowMs,
      ),
    });
    await provider.send(entry, meter);
    key = 'sk_test_new';
    nowMs += 5_000;
    await provider.send(entry, meter);
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer sk_test_old', 'Bearer sk_test_new']);
  });

  it('is refused, unsent, if a dimension would change who pays or how much', async () => {
    const { base, seen } = await scriptedStripe(accept);
    const outcome = await providerAt(base).send({ ...entry, dimensions: { how_much: '99' } }, meter);
    expect(outcome).toMatchObject({ kind: 'refused', reason: expect.stringContaining('"how_much"') });
    expect(seen).toHaveLength(0);
  });

  it('keeps its connections for the next calls', async () => {
    const stripe = await scriptedStripe(accept);
    const provider = providerAt(stripe.base);
    for (let round = 0; round < 10; round++)
      await Promise.all(Array.from({ length: 4 }, () => provider.send(entry, meter)));
    expect(stripe.connections()).toBe(4);
  });
});

describe("Stripe's meters", () => {
  const listed = (id: number, name: string, more: object = {}): object => ({
    id: `mtr_${id}`,
    object: 'billing.meter',
    event_name: name,
    status: 'active',
    customer_mapping: { type: 'by_id', event_payload_key: 'stripe_customer_id' },
    value_settings: { event_payload_key: 'value' },
    default_aggregation: { formula: 'sum' },
    event_time_window: null,
    ...more,
  });

  it('are read page by page, archived ones too, and the active one of a name counts', async () => {
    const pages = [
      [
        listed(1, 'seats', { default_aggregation: { formula: 'last' }, event_time_window: 'day' }),
        listed(2, 'calls', { status: 'inactive' }),
      ],
      [
        listed(3, 'calls', { default_aggregation: { formula: 'count' }, value_settings: { event_payload_key: 'n' } }),
        listed(4, 'calls', { status: 'inactive' }),
        listed(5, 'odd', { status: 'inactive', default_aggregation: { formula: 'median' } }),
      ],
    ];
    const { base, seen } = await scriptedStripe((response, call) => {
      const page = call.url.includes('starting_after=mtr_2') ? 1 : 0;
      return json(200, { object: 'list', url: '/v1/billing/meters', has_more: page === 0, data: pages[page] })(
        response,
        call,
      );
    });
    const keys = { customerKey: 'stripe_customer_id', valueKey: 'value' };
    expect(await providerAt(base).meters()).toEqual([
      { ...keys, id: 'mtr_1', eventName: 'seats', formula: 'last', eventTimeWindow: 'day' },
      {
        ...keys,
        id: 'mtr_3',
        eventName: 'calls',
        formula: 'count',
        valueKey: 'n',
        namesakes: [
          { id: 'mtr_2', formula: 'sum' },
          { id: 'mtr_4', formula: 'sum' },
        ],
      },
      { ...keys, id: 'mtr_5', eventName: 'odd', formula: 'count', archived: true },
    ]);
    expect(seen).toHaveLength(2);
    expect(seen[0]).toMatchObject({ method: 'GET', url: '/v1/billing/meters?limit=100' });
  });

  // The oldest one was taken, though the list begins with the newest.
  it('of a name without an active meter are known by the newest', async () => {
    const data = [
      listed(2, 'calls', { status: 'inactive', default_aggregation: { formula: 'last' } }),
      listed(1, 'calls', { status: 'inactive' }),
    ];
    const { base } = await scriptedStripe(json(200, { object: 'list', data, has_more: false }));
    expect(await providerAt(base).meters()).toMatchObject([
      { id: 'mtr_2', formula: 'last', archived: true, namesakes: [{ id: 'mtr_1', formula: 'sum' }] },
    ]);
  });

  it('two active ones of a name that differ are taken for a count: an event of its own is right for both', async () => {
    const data = [listed(2, 'calls', { default_aggregation: { formula: 'last' } }), listed(1, 'calls')];
    const { base } = await scriptedStripe(json(200, { object: 'list', data, has_more: false }));
    expect(await providerAt(base).meters()).toMatchObject([{ id: 'mtr_2', formula: 'count' }]);
  });

  it.each<[string, Reply]>([
    ['refused', json(401, { error: { type: 'invalid_request_error', message: 'Invalid API Key.' } })],
    ['answered by somebody else', (response) => void response.writeHead(200).end('<html>welcome</html>')],
    ['answered with something else', json(200, { object: 'list', data: [{ event_name: 'x' }], has_more: false })],
    ['empty, as a proxy says', json(503, { data: [], has_more: false })],
    ['refused as a bad request', json(400, { error: { type: 'invalid_request_error', message: 'No.' } })],
    ['not there', json(404, { error: { type: 'invalid_request_error', message: 'Unrecognized request URL.' } })],
    ['failing', json(500, { error: { type: 'api_error', message: 'Sorry.' } })],
    ['throttled', json(429, { error: { type: 'invalid_request_error', code: 'rate_limit', message: 'Slower.' } })],
    ['no list', json(200, { object: 'list', data: { calls: {} }, has_more: false })],
    ['cut off', (response) => void response.writeHead(200, { 'content-length': '100' }).end('{"object":')],
    ['reset', (response) => void response.destroy()],
    ['never answered', () => undefined],
    ['said to go on after nothing', json(200, { object: 'list', data: [], has_more: true })],
    ['the same page for ever', json(200, { object: 'list', data: [listed(1, 'calls')], has_more: true })],
  ])('are not taken for read when they are %s', async (_, reply) => {
    const { base } = await scriptedStripe(reply);
    await expect(providerAt(base).meters()).rejects.toThrow(MetersUnreadable);
  });

  it('are not read for ever when each page is followed by another one', async () => {
    let id = 0;
    const { base, seen } = await scriptedStripe((response, call) =>
      json(200, { object: 'list', data: [listed(++id, `calls_${id}`)], has_more: true })(response, call),
    );
    await expect(providerAt(base).meters()).rejects.toThrow('no end');
    expect(seen).toHaveLength(200);
  });
});
