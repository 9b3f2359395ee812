import { afterEach, describe, expect, it } from 'vitest';
import { startIntake, type TestIntake } from './testing.ts';

const events = '/v1/events';
const validate = '/v1/validate';
const event = { id: 'e1', customer: 'cus_a', meter: 'tokens' };
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function open(): Promise<TestIntake> {
  const intake = await startIntake({ bodyBytesMax: 10_000, token: 'secret' });
  cleanups.push(() => intake.stop());
  return intake;
}

async function post({ url }: TestIntake, path: string, body: string, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', authorization: 'Bearer secret', ...headers },
  });
  const retryAfter = response.headers.get('retry-after');
  return { status: response.status, retryAfter, body: await response.json() };
}

describe('POST /v1/validate', () => {
  const bodies: readonly (readonly [name: string, body: string, headers: Record<string, string>])[] = [
    ['events', JSON.stringify([event, event, { ...event, value: 'much' }, { ...event, id: 'e2' }]), {}],
    ['nothing valid', '[{"meter":"m"},7]', {}],
    ['no JSON', '{', {}],
    ['no event', '[]', {}],
    ['lines', `${JSON.stringify(event)}\n{`, { 'content-type': 'application/x-ndjson' }],
    ['another media type', '{}', { 'content-type': 'text/plain' }],
    ['no gzip', '{}', { 'content-encoding': 'gzip' }],
    ['too much', ' '.repeat(20_000), {}],
    ['a CloudEvent', '{"Value":7}', { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/', 'ce-type': 'm' }],
  ];

  it.each(bodies)('answers %s as /v1/events does, and takes nothing', async (_, body, headers) => {
    const intake = await open();
    const answers = [await post(intake, validate, body, headers), await post(intake, validate, body, headers)];
    expect(intake.outbox.submitted).toEqual([]);
    const metrics = await intake.registry.metrics();
    expect(metrics).toContain('\ntallyman_publisher_events_accepted_total 0\n');
    expect(metrics).toContain('\ntallyman_publisher_events_duplicate_total 0\n');
    expect(metrics).not.toMatch(/events_rejected_total\{code="\w+"\} [1-9]/);
    const taken = await post(intake, events, body, headers);
    expect(answers).toEqual([taken, taken]);
  });

  it('knows what was taken, and answers 503 while nothing would be', async () => {
    const intake = await open();
    await post(intake, events, JSON.stringify(event));
    expect(await post(intake, validate, JSON.stringify(event))).toMatchObject({ status: 202, body: { duplicates: 1 } });
    intake.outbox.turnsAway = 'spool_full';
    expect(await post(intake, validate, JSON.stringify(event))).toMatchObject({
      status: 503,
      body: { error: { code: 'spool_full' } },
    });
    const get = await fetch(intake.url + validate, { headers: { authorization: 'Bearer secret' } });
    expect([get.status, (await fetch(intake.url + validate, { method: 'POST' })).status]).toEqual([405, 401]);
  });
});
