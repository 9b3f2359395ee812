import { createHash, randomBytes } from 'node:crypto';
import rights from './rights.json' with { type: 'json' };

/**
 * Who may do what on the broker and in Redis: the least that works, which a test proves on a running broker and Redis. The
 * patterns and commands stand in rights.json, of which Terraform has a copy.
 */
export const roles = ['topology', 'publisher', 'consumer'] as const;
export type Role = (typeof roles)[number];

export interface Permission {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

/** Regular expressions over names of exchanges and queues, as LavinMQ and RabbitMQ take them. */
export function permissionOf(role: Role, namespace: string): Permission {
  const { configure, write, read } = rights.broker[role];
  const escaped = namespace.replaceAll('.', String.raw`\.`);
  const of = (pattern: string): string => pattern.replace('NAMESPACE', () => escaped);
  return { configure: of(configure), write: of(write), read: of(read) };
}

/** The rights of the one Redis user, as words of `ACL SETUSER`. Publishers need no Redis. */
export function redisRights(namespace: string): readonly string[] {
  const { keys, commands } = rights.redis;
  return ['on', `~${keys.replace('NAMESPACE', namespace)}`, '-@all', ...commands.map((command) => `+${command}`)];
}

export function brokerUser(role: Role): string {
  return `tallyman-${role}`;
}

export interface DefinitionsOptions {
  readonly namespace: string;
  readonly vhost: string;
  readonly passwords: Readonly<Record<Role, string>>;
}

/** What `load_definitions` and `POST /api/definitions` take: the three users and their rights, with hashes of their passwords. */
export function brokerDefinitions({ namespace, vhost, passwords }: DefinitionsOptions) {
  return {
    vhosts: [{ name: vhost }],
    users: roles.map((role) => ({
      name: brokerUser(role),
      password_hash: hashPassword(passwords[role], randomBytes(4)),
      hashing_algorithm: 'rabbit_password_hashing_sha256',
      tags: '',
    })),
    permissions: roles.map((role) => ({ user: brokerUser(role), vhost, ...permissionOf(role, namespace) })),
  };
}

/** LavinMQ's and RabbitMQ's form of a hashed password: base64 of a salt of 4 bytes and of SHA-256 over salt and password. */
export function hashPassword(password: string, salt: Uint8Array): string {
  const digest = createHash('sha256').update(salt).update(password, 'utf8').digest();
  return Buffer.concat([salt, digest]).toString('base64');
}
