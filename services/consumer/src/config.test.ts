import { describe, expect, it } from 'vitest';
import { isLiveKey, parseConfig } from './config.ts';

const required = { AMQP_URL: 'amqp://broker', REDIS_URL: 'redis://cache', STRIPE_API_KEY: 'sk_test_1' };

describe('parseConfig of the consumer', () => {
  it('needs broker, Redis and key, and tells all three', () => {
    expect(() => parseConfig({})).toThrow(
      /3 fault.*AMQP_URL is not set.*REDIS_URL is not set.*STRIPE_API_KEY is not set/,
    );
  });

  it('has the defaults that its README promises', () => {
    expect(parseConfig(required)).toMatchObject({
      stripeApiBase: 'https://api.stripe.com',
      namespace: 'tallyman',
      shards: 16,
      flushEvents: 50_000,
      flushIntervalMs: 300_000,
      windowMs: 300_000,
      windowMaxMs: 3_600_000,
      dedupWindowMs: 3_600_000,
      dedupMaxIds: 4_000_000,
      stripeConcurrency: 256,
      stripeShare: 1,
      leaseMs: 10_000,
      stripeTimeoutMs: 5_000,
      drainMs: 25_000,
      logLevel: 'info',
      http: { host: '127.0.0.1', port: 7071, socket: undefined, token: undefined, admin: undefined },
    });
  });

  it('takes the smallest values that are promised', () => {
    const small = {
      ...required,
      TALLYMAN_LEASE_MS: '1000',
      TALLYMAN_FLUSH_INTERVAL_MS: '100',
      TALLYMAN_SHARDS: '1',
      TALLYMAN_WINDOW_MS: '60000',
      TALLYMAN_WINDOW_MAX_MS: '60000',
    };
    expect(parseConfig(small)).toMatchObject({ leaseMs: 1_000, stripeTimeoutMs: 500, shards: 1, windowMaxMs: 60_000 });
  });

  // A publishable key was taken: the consumer joined, was ready, and billed nothing.
  it('refuses what is no key for Stripe, and takes any at a private address, where Stripe is not', () => {
    const withKey = (key: string, base = '') =>
      parseConfig({ ...required, STRIPE_API_KEY: key, STRIPE_API_BASE: base });
    expect(() => withKey('pk_test_1')).toThrow(/STRIPE_API_KEY is a publishable key.*rk_….*sk_…/);
    expect(() => withKey('whsec_1')).toThrow(/STRIPE_API_KEY is no key of Stripe/);
    expect(() => withKey('whsec_1')).not.toThrow(/whsec_1/);
    for (const key of ['sk_test_1', 'rk_live_1', 'sk_org_live_1']) expect(withKey(key).stripeApiKey.reveal()).toBe(key);
    for (const base of ['http://127.0.0.1:12111', 'http://simulator', 'https://10.0.0.7', 'http://[::1]:9'])
      expect(withKey('pk_test_1', base).stripeApiKey.reveal()).toBe('pk_test_1');
  });

  it('leaves the rate to the kind of key, unless told', () => {
    const rateOf = (key: string, rate = '') =>
      parseConfig({ ...required, STRIPE_API_KEY: key, TALLYMAN_STRIPE_RATE_PER_S: rate }).stripeRatePerS;
    expect(rateOf('sk_live_1')).toBeUndefined();
    expect(['sk_live_1', 'rk_live_1', 'sk_test_1', 'rk_test_1'].map(isLiveKey)).toEqual([true, true, false, false]);
    expect(rateOf('sk_test_1', '700')).toBe(700);
  });

  it('refuses a call that could outlive the lease', () => {
    const env = { ...required, TALLYMAN_LEASE_MS: '2000' };
    expect(() => parseConfig({ ...env, TALLYMAN_STRIPE_TIMEOUT_MS: '2000' })).toThrow(
      /TALLYMAN_STRIPE_TIMEOUT_MS is 2000; it must be at most 1999/,
    );
    expect(parseConfig({ ...env, TALLYMAN_STRIPE_TIMEOUT_MS: '1999' }).stripeTimeoutMs).toBe(1_999);
  });

  it('refuses a window above its maximum', () => {
    expect(() => parseConfig({ ...required, TALLYMAN_WINDOW_MAX_MS: '299999' })).toThrow(
      /TALLYMAN_WINDOW_MAX_MS is 299999; it must be at least/,
    );
  });

  it('binds anywhere without a token, because it has no /v1', () => {
    expect(parseConfig({ ...required, TALLYMAN_HOST: '0.0.0.0' }).http.host).toBe('0.0.0.0');
  });

  it('prints no secret', () => {
    const printed = JSON.stringify(
      parseConfig({ ...required, AMQP_URL: 'amqp://u:hunter2@broker', TALLYMAN_TOKEN: 'hunter2' }),
    );
    expect(printed).not.toContain('hunter2');
  });
});
