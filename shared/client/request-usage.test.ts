import { expect, it } from 'vitest';
import { RequestUsage, type RequestUsageOptions } from './request-usage.ts';
import type { Usage } from './usage.ts';

interface Request {
  readonly key?: string;
  readonly tokens?: number;
}
interface Response {
  readonly status: number;
}

function open(options: Partial<RequestUsageOptions<Request, Response>> = {}) {
  const recorded: Usage[] = [];
  const dropped: { readonly message: string; readonly usage: Partial<Usage> }[] = [];
  const usage = new RequestUsage<Request, Response>({
    client: {
      record(usage) {
        recorded.push(usage);
        return Promise.resolve({ id: 'id' });
      },
    },
    key: ({ key }) => key,
    customer: (key) => (key === 'unknown' ? undefined : `cus_${key}`),
    meter: 'requests',
    onDropped: ({ message }, usage) => dropped.push({ message, usage }),
    ...options,
  });
  return { usage, recorded, dropped };
}

async function settled(usage: RequestUsage<Request, Response>) {
  while (usage.counts().pending > 0) await Promise.resolve();
  return usage.counts();
}

const ok: Response = { status: 200 };

it('counts a request for the customer of its key, with what the functions say', async () => {
  const { usage, recorded } = open({
    meter: (_, { status }) => (status < 500 ? 'tokens' : undefined),
    value: ({ tokens }) => tokens,
    dimensions: (_, { status }) => ({ status: String(status) }),
  });
  usage.count({ key: 'a', tokens: 7 }, ok);
  usage.count({ key: 'a', tokens: 9 }, { status: 500 });
  expect(await settled(usage)).toEqual({ pending: 0, counted: 1, uncounted: 1, dropped: 0 });
  const dimensions = { status: '200' };
  expect(recorded).toMatchObject([{ customer: 'cus_a', meter: 'tokens', value: 7, dimensions }]);
});

// A response without the header that the value was read from counted 1.
it('drops a request that its value is not known of, instead of counting 1', async () => {
  const { usage, recorded, dropped } = open({ value: ({ tokens }) => tokens });
  usage.count({ key: 'a' }, ok);
  expect(await settled(usage)).toEqual({ pending: 0, counted: 0, uncounted: 0, dropped: 1 });
  expect(recorded).toEqual([]);
  expect(dropped[0]?.message).toContain('value');
});

it('does not count requests without a key, or with a key of nobody', async () => {
  const { usage, recorded, dropped } = open();
  usage.count({}, ok);
  usage.count({ key: 'unknown' }, ok);
  expect(await settled(usage)).toEqual({ pending: 0, counted: 0, uncounted: 2, dropped: 0 });
  expect([recorded, dropped]).toEqual([[], []]);
});

it('reads the request before it looks the customer up, since the framework may reuse it', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const { usage, recorded } = open({ customer: () => promise, value: ({ tokens }) => tokens });
  const request = { key: 'a', tokens: 1 };
  usage.count(request, ok);
  request.tokens = 2;
  resolve('cus_late');
  await settled(usage);
  expect(recorded).toMatchObject([{ customer: 'cus_late', value: 1 }]);
});

it('tells of every request that it could not count, with as much as was known', async () => {
  const failing = () => {
    throw new Error('no such field');
  };
  const { usage, dropped } = open({ value: failing });
  usage.count({ key: 'a' }, ok);
  expect(await settled(usage)).toEqual({ pending: 0, counted: 0, uncounted: 0, dropped: 1 });
  expect(dropped).toMatchObject([{ message: 'no such field', usage: { meter: 'requests' } }]);

  const full = open({ client: { record: () => Promise.reject(new Error('buffer_full')) } });
  full.usage.count({ key: 'a' }, ok);
  await settled(full.usage);
  expect(full.dropped).toMatchObject([{ message: 'buffer_full', usage: { customer: 'cus_a', meter: 'requests' } }]);
});

it('looks only so many customers up at a time', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const { usage, dropped } = open({ customer: () => promise, lookupsMax: 2 });
  for (let index = 0; index < 5; index++) usage.count({ key: 'a' }, ok);
  resolve('cus_a');
  expect(await settled(usage)).toEqual({ pending: 0, counted: 2, uncounted: 0, dropped: 3 });
  expect(dropped[0]?.message).toContain('2 lookups');
});
