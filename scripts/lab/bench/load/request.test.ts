import { describe, expect, it } from 'vitest';
import { RequestTemplate, type TemplateEvent } from './request.ts';

const nowMs = 1_790_000_000_123;

function event(change: Partial<TemplateEvent> = {}): TemplateEvent {
  return { customer: 'cus_1', meter: 'api_calls', units: 10_000, dimensions: undefined, ...change };
}

function split(template: RequestTemplate): { head: string; body: unknown; length: number } {
  const [head = '', body = ''] = template.bytes.toString('latin1').split('\r\n\r\n');
  return { head, body: JSON.parse(body), length: body.length };
}

describe('RequestTemplate', () => {
  it('is an HTTP request whose length is that of its body', () => {
    const template = new RequestTemplate('127.0.0.1:7070', 'abcdef12', [event(), event({ units: 5 })]);
    template.renew(1, nowMs);
    const { head, length } = split(template);
    expect(head).toBe(
      `POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:7070\r\nContent-Type: application/json\r\nContent-Length: ${length}`,
    );
  });

  it('writes values exactly, whole ones as numbers and others as strings', () => {
    const events = [event({ units: 30_000 }), event({ units: 5, dimensions: { region: 'eu' } })];
    const template = new RequestTemplate('h', 'abcdef12', events);
    template.renew(77, nowMs);
    expect(split(template).body).toEqual([
      {
        id: 'abcdef12-0000-4000-8000-000000000077',
        customer: 'cus_1',
        meter: 'api_calls',
        value: 3,
        timestamp: 1_790_000_000.123,
      },
      {
        id: 'abcdef12-0001-4000-8000-000000000077',
        customer: 'cus_1',
        meter: 'api_calls',
        value: '0.0005',
        timestamp: 1_790_000_000.123,
        dimensions: { region: 'eu' },
      },
    ]);
  });

  it('sends one event as an object', () => {
    const template = new RequestTemplate('h', 'abcdef12', [event()]);
    template.renew(1, nowMs);
    expect(split(template).body).toMatchObject({ id: 'abcdef12-0000-4000-8000-000000000001' });
  });

  it('never gives an id twice for different numbers', () => {
    const template = new RequestTemplate('h', 'abcdef12', [event(), event(), event()]);
    const ids = new Set<string>();
    for (const number of [1, 9, 10, 11, 99, 100, 999_999_999_999]) {
      template.renew(number, nowMs);
      for (const { id } of split(template).body as { id: string }[]) ids.add(id);
    }
    expect(ids.size).toBe(21);
  });

  it('renews the time of every event', () => {
    const template = new RequestTemplate('h', 'abcdef12', [event(), event()]);
    template.renew(1, nowMs);
    template.renew(2, nowMs + 1_000);
    expect(split(template).body).toMatchObject([{ timestamp: 1_790_000_001.123 }, { timestamp: 1_790_000_001.123 }]);
  });
});
