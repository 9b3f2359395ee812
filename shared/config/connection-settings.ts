import * as kinds from './kinds.ts';
import { optionalFile, requiredSecret, withDefault } from './setting.ts';

/** Where broker, Redis and Stripe are, and whom to trust that they are it; a part of the table in settings.ts. */
export const connectionSettings = {
  amqpUrl: requiredSecret({
    name: 'AMQP_URL',
    services: ['publisher', 'consumer', 'dashboard', 'scripts'],
    meaning: 'where the broker is',
    kind: kinds.serverUrl('amqp:', 'amqps:'),
  }),
  redisUrl: requiredSecret({
    name: 'REDIS_URL',
    services: ['consumer', 'dashboard', 'scripts'],
    meaning: 'where Redis is',
    kind: kinds.redisUrl,
  }),
  ca: optionalFile({
    name: 'TALLYMAN_CA_FILE',
    services: ['publisher', 'consumer', 'dashboard', 'scripts'],
    meaning: 'certificates of the CAs that broker and Redis are trusted by, beside the public ones',
    kind: kinds.certificates,
  }),
  stripeApiKey: requiredSecret({
    name: 'STRIPE_API_KEY',
    services: ['consumer', 'scripts'],
    meaning: 'the key that usage is sent to Stripe with',
    kind: kinds.headerSafe,
  }),
  stripeApiBase: withDefault(
    {
      name: 'STRIPE_API_BASE',
      services: ['consumer', 'scripts'],
      meaning: 'where Stripe is; the address of the simulator in demo and tests',
      kind: kinds.apiBase,
    },
    'https://api.stripe.com',
  ),
} as const;
