import { afterAll, beforeAll, expect, it } from 'vitest';
import { Redis } from 'ioredis';
import { createLog } from '../log/log.ts';
import { Troubles } from '../log/troubles.ts';
import type { BackingService } from '../testing/backing-service.ts';
import { startRedis } from '../testing/redis.ts';
import { RedisRefusals } from './refusals.ts';
import { createScript, listenToScripts, runScript } from './script.ts';

let server: BackingService;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const write = createScript('write', "redis.call('SET', KEYS[1], ARGV[1]) return {'ok'}");
const read = createScript('read', "return {redis.call('GET', KEYS[1]) or ''}");

// With Redis' memory full, or as a replica, nothing was billed: /readyz said 200, and the log had no line above debug.
it.each([
  {
    what: 'memory',
    break: ['maxmemory', '1'],
    mend: ['maxmemory', '0'],
    says: /its memory is full/,
  },
  {
    what: 'replicas',
    break: ['min-replicas-to-write', '3'],
    mend: ['min-replicas-to-write', '0'],
    says: /fewer replicas/,
  },
] as const)('tells that Redis refuses writes for its $what, and when it takes them again', async (fault) => {
  const lines: string[] = [];
  const log = createLog({ service: 'test', level: 'info' }, { write: (line) => void lines.push(line) });
  const troubles = new Troubles(log);
  const refusals = new RedisRefusals(troubles);
  listenToScripts(redis, refusals);
  await runScript(redis, write, ['key'], ['1']);
  expect([lines, refusals.isOn]).toEqual([[], false]);
  await redis.config('SET', ...fault.break);
  for (let attempt = 0; attempt < 20; attempt++)
    await expect(runScript(redis, write, ['key'], ['2'])).rejects.toThrow();
  await runScript(redis, read, ['key'], []).catch(() => undefined);
  expect(lines).toEqual([expect.stringMatching(fault.says)]);
  expect(troubles.remarks).toEqual([expect.stringMatching(fault.says)]);
  expect(refusals.isOn).toBe(true);
  await redis.config('SET', ...fault.mend);
  await runScript(redis, write, ['key'], ['3']);
  await runScript(redis, read, ['key'], []);
  expect(lines.slice(1)).toEqual([expect.stringContaining('Redis takes writes again')]);
  expect([troubles.remarks, refusals.isOn]).toEqual([[], false]);
});
