/** The document, held against what the sidecar answers. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { requestOf, talk } from '../intake/nonsense/raw-http.ts';
import { bodies } from '../intake/nonsense/bodies.ts';
import { startIntake, type TestIntake, type TestIntakeOptions } from '../intake/testing.ts';
import { DescribedApi, type Document } from './testing/described-api.ts';
import {
  event,
  formOf,
  formType,
  invalidEvents,
  invalidMeterEvents,
  iso,
  jsonType,
  meterEvent,
  nowS,
  validEvents,
  validMeterEvents,
} from './testing/samples.ts';

const token = 'secret';
let intake: TestIntake;
let document: Document;
let api: DescribedApi;

beforeAll(async () => {
  intake = await startIntake({ token, bodyBytesMax: 10_000, requestEventsMax: 20 });
  document = (await (await fetch(`${intake.url}/openapi.json`)).json()) as Document;
  api = new DescribedApi(document);
});
afterAll(() => intake.stop());

async function another(options: TestIntakeOptions = {}): Promise<TestIntake> {
  const started = await startIntake({ token, ...options });
  onTestFinished(() => started.stop());
  return started;
}

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

/** Answers the status, once the document agrees with the whole answer. */
async function post(path: string, { headers = {}, body = '' }: Sent, at = intake): Promise<number> {
  const defaults = { 'content-type': jsonType, authorization: `Bearer ${token}` };
  const response = await fetch(at.url + path, { method: 'POST', headers: { ...defaults, ...headers }, body });
  const text = await response.text();
  expect(api.faultOfAnswer('post', path, response.status, response.headers, JSON.parse(text))).toBeUndefined();
  return response.status;
}

/** The same, of a body that is JSON. `allowed`: the document says that it is what the sidecar takes. */
async function postJson(
  path: string,
  mediaType: string,
  body: unknown,
  allowed: boolean,
  headers = {},
): Promise<number> {
  const fault = api.faultOfRequest('post', path, mediaType, body);
  expect(fault === undefined, `${JSON.stringify(body)}: ${fault}`).toBe(allowed);
  return post(path, { headers: { 'content-type': mediaType, ...headers }, body: JSON.stringify(body) });
}

describe('the document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tallyman-openapi-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'openapi.json');
    await writeFile(file, JSON.stringify(document));
    const validator = join(import.meta.dirname, '../../../../node_modules/.bin/validate-api');
    const { stdout } = await promisify(execFile)(process.execPath, [validator, file]);
    expect(JSON.parse(stdout)).toEqual({ valid: true });
  });

  it('has every address of the sidecar, and no other', async () => {
    const response = await fetch(`${intake.url}/nowhere-at-all-in-here`);
    const { error } = (await response.json()) as { readonly error: { readonly message: string } };
    const routes = [...error.message.matchAll(/\b(GET|POST) (\/[\w/.]*\w)/g)].map(([route]) => route);
    const documented = api.answers.map((answer) => answer.split(' ').slice(0, 2).join(' '));
    expect(routes.toSorted()).toEqual([...new Set(documented)].toSorted());
  });

  it('is read by anyone, as often as they like, and by nothing but GET and HEAD', async () => {
    const [first, second] = [await fetch(`${intake.url}/openapi.json`), await fetch(`${intake.url}/openapi.json?x=1`)];
    expect(await first.text()).toBe(await second.text());
    const head = await fetch(`${intake.url}/openapi.json`, { method: 'HEAD' });
    const put = await fetch(`${intake.url}/openapi.json`, { method: 'PUT' });
    expect([head.status, put.status, put.headers.get('allow')]).toEqual([200, 405, 'GET']);
  });

  it('tells the settings of this sidecar', async () => {
    const payloadKeys = { customer: 'who', value: 'much' };
    const other = await another({ payloadKeys, cloudEventsValue: 'data.usage.total', requestEventsMax: 7 });
    const theirs = (await (await fetch(`${other.url}/openapi.json`)).json()) as Document;
    expect(theirs.components.schemas).toMatchObject({
      Events: { maxItems: 7 },
      Payload: { required: ['who', 'much'] },
      CloudEventData: { required: ['usage'], properties: { usage: { required: ['total'] } } },
    });
  });
});

const binary = { 'ce-specversion': '1.0', 'ce-id': 'b-1', 'ce-source': '/gateway', 'ce-type': 'tokens' };

describe.each(['/v1/events', '/v1/validate'])('POST %s', (path) => {
  it.each(validEvents)('takes %s %j', async (mediaType, body) => {
    expect(await postJson(path, mediaType, body, true)).toBe(202);
  });

  it.each(invalidEvents)('refuses %s %j', async (mediaType, body) => {
    expect(await postJson(path, mediaType, body, false)).toBe(400);
  });

  it('takes what is valid beside what is not', async () => {
    expect(await postJson(path, jsonType, [event, { ...event, value: 'ten' }], false)).toBe(202);
  });

  it('takes CloudEvents in binary mode, whose body is data', async () => {
    const headers = { ...binary, 'ce-subject': 'cus%201' };
    expect(await postJson(path, jsonType, { value: 7 }, true, headers)).toBe(202);
    expect(await postJson(path, jsonType, { Value: 7 }, false, headers)).toBe(400);
    expect(await postJson(path, jsonType, { value: 7 }, true, binary)).toBe(400);
    expect(await post(path, { headers: { ...headers, 'ce-id': 'b-2' } })).toBe(202);
  });

  it('takes lines, and compressed bodies', async () => {
    const lines = `${JSON.stringify(event)}\n\n${JSON.stringify(event)}\n`;
    for (const mediaType of ['application/x-ndjson', 'application/ndjson']) {
      expect(await post(path, { headers: { 'content-type': mediaType }, body: lines })).toBe(202);
      expect(await post(path, { headers: { 'content-type': mediaType }, body: '{\n7' })).toBe(400);
    }
    const body = new Uint8Array(gzipSync(JSON.stringify(event)));
    expect(await post(path, { headers: { 'content-encoding': 'gzip' }, body })).toBe(202);
  });

  it('refuses whole requests', async () => {
    expect(await post(path, { body: '{' })).toBe(400);
    expect(await post(path, { body: JSON.stringify(Array.from({ length: 21 }, () => event)) })).toBe(413);
    expect(await post(path, { body: ' '.repeat(10_001) })).toBe(413);
    expect(await post(path, { headers: { 'content-type': 'text/plain' } })).toBe(415);
    expect(await post(path, { headers: { 'content-encoding': 'zstd' } })).toBe(415);
    expect(await post(path, { headers: { authorization: 'Bearer another' } })).toBe(401);
  });
});

it.each(bodies)('POST /v1/events answers $name as documented', async (nonsense) => {
  const { body, text } = await talk(intake.port, [
    requestOf({ ...nonsense, headers: { authorization: `Bearer ${token}`, ...nonsense.headers } }),
  ]);
  const [head = '', ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  const headers = new Headers();
  for (const line of lines) headers.append(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1));
  const status = Number(head.split(' ')[1]);
  expect(api.faultOfAnswer('post', '/v1/events', status, headers, body)).toBeUndefined();
});

const v1 = '/v1/billing/meter_events';
const v2 = '/v2/billing/meter_events';
const sessions = '/v2/billing/meter_event_session';
const stream = '/v2/billing/meter_event_stream';
const form = { 'content-type': formType };

async function sessionOf(at = intake): Promise<Readonly<Record<string, string>>> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(at.url + sessions, { method: 'POST', headers });
  const { authentication_token: session } = (await response.json()) as { readonly authentication_token: string };
  return { authorization: `Bearer ${session}` };
}

describe('the addresses of Stripe', () => {
  it.each([...validMeterEvents, { ...meterEvent, timestamp: nowS }])('v1 takes %j', async (body) => {
    expect(api.faultOfRequest('post', v1, formType, body)).toBeUndefined();
    expect(await post(v1, { headers: form, body: formOf(body) })).toBe(200);
  });

  it.each([...invalidMeterEvents, { ...meterEvent, timestamp: 'today' }])('v1 refuses %j', async (body) => {
    expect(api.faultOfRequest('post', v1, formType, body)).toBeDefined();
    expect(await post(v1, { headers: form, body: formOf(body) })).toBe(400);
  });

  it.each(validMeterEvents.map((body, index) => ({ ...body, timestamp: iso, identifier: `v2-${index}` })))(
    'v2 and the stream take %j',
    async (body) => {
      expect(await postJson(v2, jsonType, body, true)).toBe(200);
      expect(await postJson(stream, jsonType, { events: [body] }, true, await sessionOf())).toBe(200);
    },
  );

  it.each([...invalidMeterEvents, { ...meterEvent, timestamp: nowS }, 7])(
    'v2 and the stream refuse %j',
    async (body) => {
      expect(await postJson(v2, jsonType, body, false)).toBe(400);
      expect(await postJson(stream, jsonType, { events: [body] }, false, await sessionOf())).toBe(400);
    },
  );

  it('tell a repetition and a second event with the same identifier', async () => {
    const repeated = { headers: { ...form, 'idempotency-key': 'key-1' }, body: formOf(meterEvent) };
    expect([await post(v1, repeated), await post(v1, repeated)]).toEqual([200, 200]);
    expect(await post(v1, { ...repeated, body: formOf({ ...meterEvent, event_name: 'other' }) })).toBe(400);
    const known = { ...meterEvent, identifier: 'known' };
    expect(await postJson(v2, jsonType, known, true)).toBe(200);
    expect(await postJson(v2, jsonType, known, true)).toBe(400);
  });

  it('give sessions', async () => {
    expect(await post(sessions, {})).toBe(200);
    expect(await postJson(sessions, jsonType, {}, true)).toBe(200);
    expect(await postJson(sessions, jsonType, { account: 'acct_1' }, false)).toBe(400);
  });

  it.each([
    [v1, form],
    [v2, {}],
    [sessions, {}],
  ])('%s refuses whole requests', async (path, headers) => {
    await refusesWhole(path, headers);
    expect(await post(path, { headers: { ...headers, authorization: 'Bearer another' }, body: '{}' })).toBe(401);
  });

  it('the stream refuses whole requests', async () => {
    await refusesWhole(stream, await sessionOf());
    expect(await post(stream, { body: '{}' })).toBe(401);
  });

  async function refusesWhole(path: string, headers: Readonly<Record<string, string>>): Promise<void> {
    expect(await post(path, { headers, body: ' '.repeat(10_001) })).toBe(413);
    expect(await post(path, { headers: { ...headers, 'content-encoding': 'zstd' }, body: '{}' })).toBe(415);
    expect(await post(path, { headers: { ...headers, 'stripe-context': 'acct_1/acct_2' }, body: '{}' })).toBe(400);
  }
});

const requests: readonly (readonly [path: string, sent: Sent])[] = [
  ['/v1/events', { body: JSON.stringify(event) }],
  ['/v1/validate', { body: JSON.stringify(event) }],
  [v1, { headers: form, body: formOf(meterEvent) }],
  [v2, { body: JSON.stringify(meterEvent) }],
  [stream, { body: JSON.stringify({ events: [meterEvent] }) }],
];

describe('while the sidecar takes nothing', () => {
  it.each(requests)('%s answers 503', async (path, sent) => {
    const away = await another();
    away.outbox.turnsAway = 'broker_unavailable';
    const headers = { ...sent.headers, ...(path === stream ? await sessionOf(away) : {}) };
    expect(await post(path, { ...sent, headers }, away)).toBe(503);
  });

  it('a session is refused where bodies cannot be read', async () => {
    expect(await post(sessions, { body: '{}' }, await another({ readingBytesMax: 0 }))).toBe(503);
  });

  it.each(requests)('%s answers 500 to a fault of its own', async (path, sent) => {
    const broken = await another();
    const headers = { ...sent.headers, ...(path === stream ? await sessionOf(broken) : {}) };
    Object.defineProperty(broken.outbox, 'turnsAway', {
      get: () => {
        throw new Error('a fault of this test');
      },
    });
    expect(await post(path, { ...sent, headers }, broken)).toBe(500);
  });
});

it('probes, metrics and the document itself are as documented', async () => {
  const unready = await another({
    readiness: () => ({ ready: false, state: 'draining', reasons: ['It drains.'], remarks: ['The broker is away.'] }),
  });
  for (const { url } of [intake, unready]) {
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json']) {
      const response = await fetch(url + path);
      const body: unknown = path === '/metrics' ? await response.text() : await response.json();
      expect(api.faultOfAnswer('get', path, response.status, response.headers, body)).toBeUndefined();
    }
  }
});

it('documents no answer that the sidecar does not give', () => {
  // Nothing is left in it that could fail.
  const never = [`POST ${sessions} 500`];
  expect(api.answers.filter((answer) => !api.seen.has(answer))).toEqual(never);
});
