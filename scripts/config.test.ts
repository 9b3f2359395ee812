import { expect, it } from 'vitest';
import { parseConfig } from './config.ts';

it('needs broker and Redis, and tells both', () => {
  expect(() => parseConfig({})).toThrow(/2 fault.*AMQP_URL is not set.*REDIS_URL is not set/);
});

it('takes what a service next to it is configured with', () => {
  const env = {
    AMQP_URL: 'amqp://broker',
    REDIS_URL: 'redis://cache',
    TALLYMAN_SHARDS: '4',
    TALLYMAN_LEASE_MS: '1000',
  };
  expect(parseConfig(env)).toMatchObject({ namespace: 'tallyman', shards: 4 });
});
