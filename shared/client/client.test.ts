import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createClient, createClientOn } from './client.ts';
import type { Usage } from './usage.ts';
import type { ClientOptions } from './usage-client.ts';
import { UsageRejected, UsageUndelivered } from './usage-error.ts';
import type { Reply } from './verdict.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Sent {
  readonly id: string;
  readonly customer: string;
  readonly value?: unknown;
  readonly timestamp: unknown;
}

/** A sidecar that answers each request when and as the test says. */
class Sidecar {
  readonly requests: (readonly Sent[])[] = [];
  readonly #open: ((reply: Reply) => void)[] = [];
  /** Once it is there, every request is answered with it. */
  always: ((events: readonly Sent[]) => Reply) | undefined;

  post(body: string): Promise<Reply> {
    const events = JSON.parse(body) as Sent[];
    this.requests.push(events);
    if (this.always !== undefined) return Promise.resolve(this.always(events));
    return new Promise((resolve) => this.#open.push(resolve));
  }

  /** What it says of its readiness, each time. */
  readonly probes: Reply[] = [];

  probe(): Promise<Reply> {
    return Promise.resolve(this.probes.shift() ?? broken);
  }

  close(): void {
    for (const resolve of this.#open.splice(0)) resolve(broken);
  }

  async answer(reply: Reply): Promise<void> {
    this.#open.shift()?.(reply);
    await vi.advanceTimersByTimeAsync(0);
  }
}

const broken: Reply = { kind: 'failure', mayHaveArrived: true, detail: 'ECONNRESET' };
const away: Reply = answerOf(503, { error: { code: 'broker_unavailable', message: 'away' } });

function answerOf(status: number, body: unknown): Reply {
  return { kind: 'answer', status, retryAfterMs: 0, body: JSON.stringify(body) };
}

/** 202, with these places refused. */
function accept(events: number, ...refused: readonly number[]): Reply {
  const rejected = refused.map((index) => ({
    index,
    id: null,
    code: 'customer_invalid',
    message: `customer ${index}`,
  }));
  return answerOf(202, { accepted: events - refused.length, duplicates: 0, rejected });
}

function open(options: ClientOptions = {}) {
  const sidecar = new Sidecar();
  return { sidecar, client: createClientOn(sidecar, options) };
}

/** Why the promise was rejected. Asked for before it is, so that nobody calls it unhandled. */
function failureOf(recorded: Promise<unknown>): Promise<unknown> {
  return recorded.then(
    () => 'it was recorded',
    (error: unknown) => error,
  );
}

const usage: Usage = { customer: 'cus_a', meter: 'tokens' };

it('puts what is recorded within a few milliseconds into one request, and each promise has its own answer', async () => {
  const { sidecar, client } = open();
  const outcomes = Promise.allSettled(['a', 'b', 'c'].map((id) => client.record({ ...usage, id })));
  await vi.advanceTimersByTimeAsync(4);
  expect(sidecar.requests).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(sidecar.requests.map((events) => events.map(({ id }) => id))).toEqual([['a', 'b', 'c']]);
  await sidecar.answer(accept(3, 1));
  const [first, second, third] = await outcomes;
  expect([first, third]).toEqual([
    { status: 'fulfilled', value: { id: 'a' } },
    { status: 'fulfilled', value: { id: 'c' } },
  ]);
  expect(second).toMatchObject({
    status: 'rejected',
    reason: { code: 'customer_invalid', field: 'customer', id: 'b' },
  });
  expect(second?.status === 'rejected' && second.reason).toBeInstanceOf(UsageRejected);
  expect(client.counts()).toMatchObject({ held: 0, durable: 2, rejected: 1, requests: 1, retries: 0 });
});

it('gives an event its id and its time when it is recorded, and sends them again unchanged', async () => {
  const { sidecar, client } = open();
  const recorded = client.record(usage);
  await vi.advanceTimersByTimeAsync(5);
  await sidecar.answer(broken);
  await vi.advanceTimersByTimeAsync(60_000);
  await sidecar.answer(away);
  await vi.advanceTimersByTimeAsync(60_000);
  await sidecar.answer(accept(1));
  const { id } = await recorded;
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(sidecar.requests).toHaveLength(3);
  expect(new Set(sidecar.requests.map((events) => JSON.stringify(events))).size).toBe(1);
  expect(sidecar.requests[0]?.[0]).toMatchObject({ id, customer: 'cus_a', meter: 'tokens' });
  expect(client.counts()).toMatchObject({ durable: 1, requests: 3, retries: 2 });
});

it('sends dates, large integers and what is no number in a form that the sidecar can judge', async () => {
  const { sidecar, client } = open();
  const timestamp = new Date('2026-11-22T09:30:00.250Z');
  client.tryRecord({ ...usage, value: 123456789012345678901n, timestamp });
  client.tryRecord({ ...usage, value: Number.NaN, timestamp: 1 });
  await vi.advanceTimersByTimeAsync(5);
  expect(sidecar.requests[0]?.map(({ value, timestamp }) => [value, timestamp])).toEqual([
    ['123456789012345678901', '2026-11-22T09:30:00.250Z'],
    ['NaN', 1],
  ]);
});

// JSON has no undefined: the field was left out, and the event counted 1.
it('refuses a value that is undefined, and counts 1 only where there is none', async () => {
  const { sidecar, client } = open();
  sidecar.always = (events) => accept(events.length);
  const misread = { ...usage, id: 'e', value: undefined } as unknown as Usage;
  await expect(client.record(misread)).rejects.toMatchObject({ code: 'value_missing', field: 'value', id: 'e' });
  expect(client.counts()).toMatchObject({ turnedAway: 1, held: 0 });
  const recorded = client.record(usage);
  await vi.advanceTimersByTimeAsync(5);
  await recorded;
  expect(sidecar.requests.flat()).toHaveLength(1);
  expect(sidecar.requests[0]?.[0]).not.toHaveProperty('value');
});

it('refuses at once what cannot be written as JSON, and the others are not affected', async () => {
  const { sidecar, client } = open();
  sidecar.always = (events) => accept(events.length);
  const dimensions = { size: 1n } as unknown as Record<string, string>;
  await expect(client.record({ ...usage, dimensions })).rejects.toMatchObject({
    name: 'UsageRejected',
    code: 'not_json',
  });
  const recorded = client.record(usage);
  await vi.advanceTimersByTimeAsync(5);
  await expect(recorded).resolves.toBeDefined();
});

it('takes no more than its buffer holds, says so, and tells when there is room again', async () => {
  const { sidecar, client } = open({ bufferBytesMax: 100_000 });
  sidecar.always = () => away;
  let taken = 0;
  while (client.tryRecord({ ...usage, id: `e${taken}` })) taken++;
  expect(taken).toBeGreaterThan(100);
  await expect(client.record(usage)).rejects.toMatchObject({ code: 'buffer_full', mayBeCounted: false });
  let drained = false;
  const draining = client.drained().then(() => (drained = true));
  await vi.advanceTimersByTimeAsync(60_000);
  expect([drained, client.counts().held]).toEqual([false, taken]);
  sidecar.always = (events) => accept(events.length);
  await vi.advanceTimersByTimeAsync(5_000);
  await draining;
  expect(client.counts()).toMatchObject({ held: 0, durable: taken, turnedAway: 2 });
  expect(client.tryRecord(usage)).toBe(true);
  await expect(client.drained()).resolves.toBeUndefined();
});

it('tells of an event that nobody awaits only when it fails', async () => {
  const failures: unknown[] = [];
  const { sidecar, client } = open({ onFailure: (error, failed) => failures.push([error.code, failed.customer]) });
  sidecar.always = (events) => accept(events.length, 1);
  for (const customer of ['a', 'b', 'c']) client.tryRecord({ ...usage, customer });
  await vi.advanceTimersByTimeAsync(5);
  expect(failures).toEqual([['customer_invalid', 'b']]);
});

it('tells every event of an answer, also when a callback throws', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const { sidecar, client } = open({
    onFailure: () => {
      throw new Error('from the application');
    },
  });
  sidecar.always = (events) => accept(events.length, 0);
  client.tryRecord(usage);
  const recorded = client.record(usage);
  await vi.advanceTimersByTimeAsync(5);
  await expect(recorded).resolves.toBeDefined();
  expect(warned).toHaveBeenCalledOnce();
  warned.mockRestore();
});

it('warns once for each code when nobody listens for failures', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const { sidecar, client } = open();
  sidecar.always = (events) => accept(events.length, 0, 1);
  for (let index = 0; index < 2; index++) client.tryRecord(usage);
  await vi.advanceTimersByTimeAsync(5);
  expect(warned.mock.calls.map(([warning]) => warning)).toEqual([expect.stringContaining('customer_invalid')]);
  expect(client.counts().rejected).toBe(2);
  warned.mockRestore();
});

it('fails at once what no repetition helps, and says what was answered', async () => {
  const { sidecar, client } = open();
  sidecar.always = () => answerOf(401, { error: { code: 'unauthorized', message: 'Send the token.' } });
  const failure = failureOf(client.record(usage));
  await vi.advanceTimersByTimeAsync(5);
  expect(await failure).toMatchObject({ code: 'refused', message: expect.stringContaining('401 unauthorized') });
});

it('gives up after its time, long before the consumers forget the id', async () => {
  const { sidecar, client } = open();
  sidecar.always = () => away;
  const failure = failureOf(client.record(usage));
  await vi.advanceTimersByTimeAsync(599_000);
  expect(client.counts().held).toBe(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await failure).toBeInstanceOf(UsageUndelivered);
  expect(await failure).toMatchObject({ code: 'gave_up', mayBeCounted: false });
  const requests = client.counts().requests;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(client.counts().requests).toBe(requests);
});

it('delivers what it holds before it is closed, without waiting for company, and takes nothing more', async () => {
  const { sidecar, client } = open({ lingerMs: 1_000 });
  const recorded = client.record(usage);
  let closed = false;
  const closing = client.close().then(() => (closed = true));
  expect(sidecar.requests).toHaveLength(1);
  await expect(client.record(usage)).rejects.toMatchObject({ code: 'closed' });
  await sidecar.answer(away);
  await vi.advanceTimersByTimeAsync(100);
  expect(closed).toBe(false);
  await sidecar.answer(accept(1));
  await closing;
  await expect(recorded).resolves.toBeDefined();
  expect(vi.getTimerCount()).toBe(0);
});

it('fails what it could not deliver within its time to close', async () => {
  const { client } = open();
  const flying = failureOf(client.record(usage));
  await vi.advanceTimersByTimeAsync(5);
  const queued = failureOf(client.record(usage));
  const closing = client.close(3_000);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(await flying).toMatchObject({ code: 'closed', mayBeCounted: true });
  expect(await queued).toMatchObject({ code: 'closed' });
  await closing;
  expect(vi.getTimerCount()).toBe(0);
});

it('refuses options that contradict each other', () => {
  expect(() => createClient({ url: 'http://a', socket: '/b' })).toThrow(TypeError);
  expect(() => createClient({ url: 'ftp://a' })).toThrow(/ftp:.*http/);
});

it.each(['http://a/v1/events', 'http://a/?x=1', 'http://a/#x', 'http://user:word@a'])(
  'refuses %s for an address: it would post to another one',
  (url) => {
    expect(() => createClient({ url })).toThrow(/it must be http:\/\/a\./);
  },
);

describe('a sidecar that is not there', () => {
  const warnings: string[] = [];
  beforeEach(() => {
    warnings.length = 0;
    vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)));
  });
  afterEach(() => void vi.restoreAllMocks());

  // An application heard nothing of it for ten minutes, and then that an event was lost.
  it('is warned of once after five seconds, and told of when it is back', async () => {
    const { sidecar, client } = open();
    sidecar.always = () => ({ kind: 'failure', mayHaveArrived: false, detail: 'There was no answer: ECONNREFUSED.' });
    expect(client.tryRecord(usage)).toBe(true);
    await vi.advanceTimersByTimeAsync(4_900);
    expect(warnings).toEqual([]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^The sidecar at http:\/\/127\.0\.0\.1:7070 has taken no usage for 5 s\. .*ECONNREFUSED.* 1 event waits/,
      ),
    ]);
    sidecar.always = (events) => accept(events.length);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(warnings.slice(1)).toEqual([expect.stringMatching(/takes usage again, after \d+ s/)]);
  });

  it('is warned of also when it does not answer at all', async () => {
    const { sidecar, client } = open();
    client.tryRecord(usage);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(warnings).toHaveLength(1);
    await sidecar.answer(accept(1));
    expect(warnings).toHaveLength(2);
  });

  it('is not warned of when it answers in time', async () => {
    const { sidecar, client } = open();
    sidecar.always = (events) => accept(events.length);
    client.tryRecord(usage);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(warnings).toEqual([]);
  });
});

describe('ready()', () => {
  it('resolves once the sidecar says that it is', async () => {
    const { sidecar, client } = open();
    sidecar.probes.push(broken, answerOf(503, { ready: false }), answerOf(200, { ready: true }));
    let isReady = false;
    void client.ready().then(() => (isReady = true));
    await vi.advanceTimersByTimeAsync(400);
    expect(isReady).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(isReady).toBe(true);
  });

  it('rejects with what the sidecar says when the time is over', async () => {
    const { sidecar, client } = open();
    for (let index = 0; index < 10; index++) sidecar.probes.push(answerOf(503, { reasons: ['The broker is away.'] }));
    const failure = failureOf(client.ready(1_000));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(String(await failure)).toMatch(/not ready within 1000 ms.*503.*The broker is away/);
  });
});

describe('announced usage', () => {
  it('is waited for by close, recorded and sent, while other usage is refused', async () => {
    const { sidecar, client } = open();
    sidecar.always = (events) => accept(events.length);
    const announced = client.announce();
    let isClosed = false;
    const closed = client.close().then(() => (isClosed = true));
    await vi.advanceTimersByTimeAsync(100);
    expect(isClosed).toBe(false);
    expect(client.tryRecord(usage)).toBe(false);
    const recorded = announced.record({ ...usage, id: 'late' });
    await vi.advanceTimersByTimeAsync(100);
    expect([await recorded, await closed, sidecar.requests[0]?.[0]?.id]).toEqual([{ id: 'late' }, true, 'late']);
  });

  it('that comes to nothing, or to nothing in time, does not hold up the close for ever', async () => {
    const dropped = open();
    const announced = dropped.client.announce();
    const closed = dropped.client.close();
    announced.drop();
    await vi.advanceTimersByTimeAsync(10);
    await closed;
    const late = open();
    const never = late.client.announce();
    const given = late.client.close(1_000);
    await vi.advanceTimersByTimeAsync(1_100);
    await given;
    expect(await failureOf(never.record(usage))).toMatchObject({ code: 'closed' });
    expect(String(await failureOf(never.record(usage)))).toContain('once');
  });
});
