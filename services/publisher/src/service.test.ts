import { expect, it } from 'vitest';
import { ConfigError } from '../../../shared/config/config.ts';
import { createLog } from '../../../shared/log/log.ts';
import { parseConfig } from './config.ts';
import { PublisherService } from './service.ts';

it('does not start with a file of meters that cannot be used: a configuration fault, before anything is opened', async () => {
  const env = { AMQP_URL: 'amqp://127.0.0.1:1', TALLYMAN_METERS_FILE: '/meters.yaml' };
  const config = parseConfig(env, () => 'meters:\n  - evnt_name: tokens\n');
  const lifecycle = { state: 'starting', fail: expect.unreachable } as const;
  const service = new PublisherService(config, { log: createLog({ service: 'test', level: 'silent' }), lifecycle });
  const starting = service.start();
  await expect(starting).rejects.toThrow(ConfigError);
  await expect(starting).rejects.toThrow(/TALLYMAN_METERS_FILE, line 2: /);
  await expect(service.stop()).resolves.toBe(0);
});

it('says with its exit code that usage is left in the spool, which it answered with 202', async () => {
  const { service, broker, session, post } = await startSidecar({
    TALLYMAN_SPOOL_BYTES: '10000000',
    TALLYMAN_DRAIN_MS: '300',
  });
  broker.lose(session);
  expect(await post('1')).toBe(202);
  expect(await service.stop()).toBe(75);
});
