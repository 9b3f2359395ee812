import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { brokerDefinitions, brokerUser, redisRights, type Role, roles } from '../../../../shared/access/rights.ts';
import type { BackingService } from '../../../../shared/testing/backing-service.ts';
import type { Broker } from '../../../../shared/testing/broker.ts';

export type RoleUrls = Readonly<Record<Role | 'redis', string>>;

const timeoutMs = 30_000;

/** Makes the users as a person would: definitions imported into the broker, an ACL in Redis. */
export async function giveRights(broker: Broker, redis: BackingService, namespace: string): Promise<RoleUrls> {
  const password = (): string => randomBytes(12).toString('hex');
  const passwords = { topology: password(), publisher: password(), consumer: password() };
  await importDefinitions(broker, brokerDefinitions({ namespace, vhost: '/', passwords }));
  const redisPassword = password();
  const administrator = new Redis(redis.url, { protocol: 2 });
  await administrator.acl('SETUSER', 'tallyman', 'reset', `>${redisPassword}`, ...redisRights(namespace));
  administrator.disconnect();
  const amqp = roles.map((role) => [role, withUser(broker.tlsUrl ?? broker.url, brokerUser(role), passwords[role])]);
  return {
    ...(Object.fromEntries(amqp) as Record<Role, string>),
    redis: withUser(redis.tlsUrl ?? redis.url, 'tallyman', redisPassword),
  };
}

export async function importDefinitions({ managementUrl = '' }: Broker, definitions: unknown): Promise<void> {
  const { username, password, origin } = new URL(managementUrl);
  const response = await fetch(`${origin}/api/definitions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
    },
    body: JSON.stringify(definitions),
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok) throw new Error(`The broker answered ${response.status} to definitions: ${await response.text()}`);
}

function withUser(address: string, user: string, password: string): string {
  const url = new URL(address);
  url.username = user;
  url.password = password;
  return url.href;
}
