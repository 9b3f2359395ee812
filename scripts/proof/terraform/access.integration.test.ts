import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { brokerDefinitions, brokerUser, hashPassword, redisRights, roles } from '../../../shared/access/rights.ts';
import { terraform, terraformVersion } from './terraform.ts';

const outputs = z.object({
  broker_passwords: z.object({ value: z.record(z.string(), z.string()) }),
  definitions: z.object({ value: z.string() }),
  operator_password_hash: z.object({ value: z.string() }),
  redis_access_string: z.object({ value: z.string() }),
});
const definitionsShape = z.object({
  users: z.array(z.looseObject({ name: z.string(), password_hash: z.string(), tags: z.string() })),
  permissions: z.array(z.looseObject({ user: z.string() })),
});
const isHere = (await terraformVersion()) !== undefined;

/** Terraform has no bytes and makes the brokers' hashes by arithmetic on digits: whether they are right, only another hand can tell. */
it.skipIf(!isHere)(
  'Terraform gives the same rights as the project, and hashes that are those of its passwords',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tallyman-access-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await cp(join(import.meta.dirname, '../../../terraform/modules/access'), folder, {
      recursive: true,
      filter: (path) => !path.includes('.terraform'),
    });
    for (const args of [['init'], ['apply', '-auto-approve', '-var', 'namespace=acme.eu', '-var', 'vhost=usage']]) {
      expect(await terraform(folder, ...args, '-input=false', '-no-color')).toMatchObject({ code: 0 });
    }
    const made = outputs.parse(JSON.parse((await terraform(folder, 'output', '-json')).stdout));
    const passwords = made.broker_passwords.value;
    const { users, permissions } = definitionsShape.parse(JSON.parse(made.definitions.value));

    const secretOf = (name: string) => passwords[name.replace('tallyman-', '')] ?? '';
    for (const { name, password_hash: hash } of users) {
      expect(hash).toBe(hashPassword(secretOf(name), Buffer.from(hash, 'base64').subarray(0, 4)));
    }
    expect(users.find(({ name }) => name === 'operator')?.password_hash).toBe(made.operator_password_hash.value);

    const same = { topology: '', publisher: '', consumer: '' };
    const expected = brokerDefinitions({ namespace: 'acme.eu', vhost: 'usage', passwords: same });
    const byUser = (all: readonly { user: string }[]) => Object.fromEntries(all.map((one) => [one.user, one]));
    const { operator, ...services } = byUser(permissions);
    expect(operator).toMatchObject({ configure: '.*', vhost: 'usage' });
    expect(services).toEqual(byUser(expected.permissions));
    expect(
      users
        .filter(({ tags }) => tags === '')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(roles.map(brokerUser).sort());
    expect(made.redis_access_string.value.split(' ')).toEqual(redisRights('acme.eu'));
  },
);
