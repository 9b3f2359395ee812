import { describe, expect, it } from 'vitest';
import { parseConfig } from './config.ts';

const required = { AMQP_URL: 'amqp://broker' };

describe('parseConfig of the publisher', () => {
  it('needs the broker and neither Redis nor Stripe', () => {
    expect(() => parseConfig({})).toThrow(/1 fault.*AMQP_URL is not set/);
    expect(parseConfig({ ...required, HOSTNAME: 'pod-1', AWS_REGION: 'eu-west-1' })).toMatchObject({
      namespace: 'tallyman',
      source: 'pod-1',
      region: 'eu-west-1',
      spoolDir: './spool',
      spoolBytes: 1024 ** 3,
      bodyBytesMax: 8 * 1024 ** 2,
      requestEventsMax: 10_000,
      meters: undefined,
      http: { host: '127.0.0.1', port: 7070 },
    });
  });

  it('does without region, and names itself where HOSTNAME is not set', () => {
    const { region, source } = parseConfig(required);
    expect(region).toBeUndefined();
    expect(source).not.toBe('');
  });

  // 1000 bytes were taken, and every request was answered with 503 as soon as the broker was away.
  it('refuses a spool that holds next to nothing', () => {
    const bytes = (TALLYMAN_SPOOL_BYTES: string) => parseConfig({ ...required, TALLYMAN_SPOOL_BYTES }).spoolBytes;
    expect([bytes('0'), bytes('1048576')]).toEqual([0, 1024 ** 2]);
    expect(() => bytes('1000')).toThrow(/TALLYMAN_SPOOL_BYTES is "1000"; it must be .* from 1048576 .* or 0 for none/);
  });

  it('takes rights for its socket, and for nothing else', () => {
    const mode = { ...required, TALLYMAN_SOCKET_MODE: '660' };
    expect(parseConfig({ ...mode, TALLYMAN_SOCKET: '/run/tallyman.sock' }).http.socketMode).toBe(0o660);
    expect(() => parseConfig(mode)).toThrow(/TALLYMAN_SOCKET_MODE is set, but TALLYMAN_SOCKET is not/);
  });

  it('reads the allowed meters', () => {
    expect(parseConfig({ ...required, TALLYMAN_METERS: 'api_calls,storage' }).meters).toEqual(
      new Set(['api_calls', 'storage']),
    );
  });

  it('reads the allowed meters from a file of provision, as it is now, or from a list, not from both', () => {
    const env = { ...required, TALLYMAN_METERS_FILE: '/etc/meters.yaml' };
    const read = (path: string): string => (path === '/etc/meters.yaml' ? 'meters: [{event_name: tokens}]\n' : '');
    const { meters, metersFile } = parseConfig(env, read);
    expect([meters, metersFile?.reveal()]).toEqual([undefined, 'meters: [{event_name: tokens}]\n']);
    expect(() => parseConfig({ ...env, TALLYMAN_METERS: 'tokens' }, read)).toThrow(/remove one of them/);
    expect(() => parseConfig({ ...env, TALLYMAN_METERS_FILE: '/empty' }, read)).toThrow(/TALLYMAN_METERS_FILE names/);
  });

  it('tells where CloudEvents have their value', () => {
    const place = (TALLYMAN_CLOUDEVENTS_VALUE: string) =>
      parseConfig({ ...required, TALLYMAN_CLOUDEVENTS_VALUE }).cloudEventsValue;
    expect(parseConfig(required).cloudEventsValue).toBe('data.value');
    expect(['data.tokens', 'data.usage.total-tokens', '1'].map(place)).toEqual([
      'data.tokens',
      'data.usage.total-tokens',
      '1',
    ]);
    for (const wrong of ['tokens', 'data', 'data.', 'data..a', 'data.a b', '2', 'data.a"'])
      expect(() => place(wrong)).toThrow(/TALLYMAN_CLOUDEVENTS_VALUE is /);
  });

  it('finds customer and value of a Stripe payload under two keys', () => {
    expect(parseConfig(required).payloadKeys).toEqual({ customer: 'stripe_customer_id', value: 'value' });
    const keys = { ...required, TALLYMAN_STRIPE_CUSTOMER_KEY: 'who', TALLYMAN_STRIPE_VALUE_KEY: 'much' };
    expect(parseConfig(keys).payloadKeys).toEqual({ customer: 'who', value: 'much' });
    expect(() => parseConfig({ ...keys, TALLYMAN_STRIPE_VALUE_KEY: 'who' })).toThrow(/they must differ/);
  });

  it('listens where others can reach it only with a token or on a socket', () => {
    const open = { ...required, TALLYMAN_HOST: '0.0.0.0' };
    expect(() => parseConfig(open)).toThrow(/TALLYMAN_TOKEN is not set and TALLYMAN_HOST is "0.0.0.0"/);
    expect(parseConfig({ ...open, TALLYMAN_TOKEN: 'abc' }).http.token?.reveal()).toBe('abc');
    expect(parseConfig({ ...open, TALLYMAN_SOCKET: '/run/tallyman.sock' }).http.socket).toBe('/run/tallyman.sock');
  });

  it('takes the admin address whole or not at all, without a token', () => {
    const admin = { ...required, TALLYMAN_ADMIN_HOST: '0.0.0.0' };
    expect(() => parseConfig(admin)).toThrow(/Only one of TALLYMAN_ADMIN_HOST/);
    expect(parseConfig({ ...admin, TALLYMAN_ADMIN_PORT: '9090' }).http.admin).toEqual({ host: '0.0.0.0', port: 9090 });
  });
});
