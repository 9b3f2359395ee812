import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import type {} from './global-setup.ts';

export interface SharedServices {
  readonly amqpUrl: string;
  readonly redisUrl: string;
  /** For TALLYMAN_NAMESPACE: nobody else's, so that tests run side by side on one broker and one Redis. */
  readonly namespace: string;
}

/**
 * The broker and the Redis of this test run, with a fresh namespace. For tests that leave both alive; those that kill or
 * freeze start their own with `startBroker()` and `startRedis()`.
 */
export function sharedServices(): SharedServices {
  return {
    amqpUrl: inject('amqpUrl'),
    redisUrl: inject('redisUrl'),
    namespace: `test-${randomBytes(6).toString('hex')}`,
  };
}
