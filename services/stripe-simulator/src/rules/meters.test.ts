import { beforeEach, describe, expect, it } from 'vitest';
import type { Answer } from './answers.ts';
import { parseForm } from './form.ts';
import { Meters } from './meters.ts';
import { World } from './world.ts';

let world: World;
let meters: Meters;

beforeEach(() => {
  let made = 0;
  world = new World();
  meters = new Meters({ world, newId: () => `mtr_${++made}` });
});

const form = (text: string) => parseForm(text) ?? expect.unreachable();
const bodyOf = (answer: Answer): unknown => JSON.parse(answer.body);
const create = (text: string): Answer => meters.create(form(text), 1_000, false);
const named = (name: string): Answer =>
  create(`display_name=${name}&event_name=${name}&default_aggregation[formula]=sum`);
const list = (query = ''): { ids: string[]; hasMore: boolean } => {
  const page = bodyOf(meters.list(form(query), false)) as { data: { id: string }[]; has_more: boolean };
  return { ids: page.data.map(({ id }) => id), hasMore: page.has_more };
};

describe('creating', () => {
  it('answers a meter with the defaults of Stripe', () => {
    expect(bodyOf(named('api_calls'))).toEqual({
      id: 'mtr_1',
      object: 'billing.meter',
      created: 1_000,
      customer_mapping: { event_payload_key: 'stripe_customer_id', type: 'by_id' },
      default_aggregation: { formula: 'sum' },
      display_name: 'api_calls',
      event_name: 'api_calls',
      event_time_window: null,
      livemode: false,
      status: 'active',
      status_transitions: { deactivated_at: null },
      updated: 1_000,
      value_settings: { event_payload_key: 'value' },
    });
  });

  it('takes keys and window as given', () => {
    const answer = create(
      'display_name=a&event_name=a&default_aggregation[formula]=last&customer_mapping[type]=by_id' +
        '&customer_mapping[event_payload_key]=who&value_settings[event_payload_key]=much&event_time_window=hour',
    );
    expect(bodyOf(answer)).toMatchObject({
      default_aggregation: { formula: 'last' },
      customer_mapping: { event_payload_key: 'who' },
      value_settings: { event_payload_key: 'much' },
      event_time_window: 'hour',
    });
  });

  it.each([
    ['event_name=a&default_aggregation[formula]=sum', 'display_name'],
    ['display_name=a&default_aggregation[formula]=sum', 'event_name'],
    ['display_name=a&event_name=a', 'default_aggregation[formula]'],
    ['display_name=a&event_name=a&default_aggregation[formula]=max', 'default_aggregation[formula]'],
    [`display_name=a&event_name=${'a'.repeat(101)}&default_aggregation[formula]=sum`, 'event_name'],
    ['display_name=a&event_name=a&default_aggregation[formula]=sum&event_time_window=week', 'event_time_window'],
    ['display_name=a&event_name=a&default_aggregation[formula]=sum&colour=red', 'colour'],
  ])('refuses %.60s and names %s', (text, param) => {
    const answer = create(text);
    expect(answer.status).toBe(400);
    expect(bodyOf(answer)).toMatchObject({ error: { type: 'invalid_request_error', param } });
  });

  it('gives an event name to one active meter only', () => {
    named('a');
    expect(named('a').status).toBe(400);
    meters.setActive('mtr_1', false, 2_000, false);
    expect(named('a').status).toBe(200);
    expect(meters.setActive('mtr_1', true, 3_000, false).status).toBe(400);
  });
});

describe('listing', () => {
  beforeEach(() => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) named(name);
  });

  it('goes from the newest to the oldest, ten at a time unless asked otherwise', () => {
    expect(list()).toEqual({ ids: ['mtr_5', 'mtr_4', 'mtr_3', 'mtr_2', 'mtr_1'], hasMore: false });
    for (let index = 0; index < 6; index++) named(`more-${index}`);
    expect(list().ids).toHaveLength(10);
    expect(list().hasMore).toBe(true);
  });

  it('goes on after a meter, and says when there is no more', () => {
    expect(list('limit=2')).toEqual({ ids: ['mtr_5', 'mtr_4'], hasMore: true });
    expect(list('limit=2&starting_after=mtr_4')).toEqual({ ids: ['mtr_3', 'mtr_2'], hasMore: true });
    expect(list('limit=2&starting_after=mtr_2')).toEqual({ ids: ['mtr_1'], hasMore: false });
  });

  it('goes back before a meter', () => {
    expect(list('limit=2&ending_before=mtr_1')).toEqual({ ids: ['mtr_3', 'mtr_2'], hasMore: true });
    expect(list('ending_before=mtr_4')).toEqual({ ids: ['mtr_5'], hasMore: false });
  });

  it('keeps to a status, also from a cursor of the other status', () => {
    meters.setActive('mtr_3', false, 2_000, false);
    world.declare({ archivedMeters: ['d'] });
    expect(list('status=inactive').ids).toEqual(['mtr_4', 'mtr_3']);
    expect(list('status=active&starting_after=mtr_4').ids).toEqual(['mtr_2', 'mtr_1']);
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=x',
    'status=gone',
    'starting_after=mtr_9',
    'starting_after=mtr_1&ending_before=mtr_2',
    'x=1',
  ])('refuses %s', (query) => {
    expect(meters.list(form(query), false).status).toBe(400);
  });
});

it('archives a meter, says since when, and takes it back', () => {
  named('a');
  expect(bodyOf(meters.setActive('mtr_1', false, 2_000, true))).toMatchObject({
    status: 'inactive',
    status_transitions: { deactivated_at: 2_000 },
    updated: 2_000,
    livemode: true,
  });
  expect(meters.setActive('mtr_1', false, 2_000, true).status).toBe(400);
  expect(bodyOf(meters.setActive('mtr_1', true, 3_000, false))).toMatchObject({
    status: 'active',
    status_transitions: { deactivated_at: null },
  });
});

it('answers 404 for a meter that does not exist', () => {
  for (const answer of [meters.retrieve('mtr_9', false), meters.setActive('mtr_9', true, 0, false)]) {
    expect(answer.status).toBe(404);
    expect(bodyOf(answer)).toMatchObject({ error: { code: 'resource_missing', message: "No such meter: 'mtr_9'" } });
  }
});
