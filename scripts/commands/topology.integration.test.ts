import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type ChannelModel, connect } from 'amqplib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createCatalogStore } from '../../services/consumer/src/meters/stored-catalog.ts';
import { createMembership } from '../../services/consumer/src/ownership/membership.ts';
import { createViewStore } from '../../services/consumer/src/view/stored-view.ts';
import { newestFormat } from '../../shared/journal/format.ts';
import { createRedisJournal } from '../../shared/journal/redis-journal.ts';
import { redisNowMs } from '../../shared/redis/clock.ts';
import { clusterKeyPrefix, shardQueue, usageExchange } from '../../shared/topology/names.ts';
import { readTopology } from '../../shared/topology/record.ts';
import { freePort } from '../../shared/testing/ports.ts';
import { sharedServices } from '../../shared/testing/shared-services.ts';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Environment = Readonly<Record<string, string>>;

/** Runs the command as a shell does, with nothing of this process' environment. */
function run(command: 'topology' | 'recover' | 'status', env: Environment, ...args: string[]): Promise<Ended> {
  const file = fileURLToPath(new URL('tallyman.ts', import.meta.url));
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [file, command, ...args], { env }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

const { amqpUrl, redisUrl } = sharedServices();
let redis: Redis;
let connection: ChannelModel;
let namespace: string;
let env: Environment;

beforeAll(async () => {
  redis = new Redis(redisUrl);
  connection = await connect(amqpUrl);
});
afterAll(async () => {
  redis.disconnect();
  await connection.close();
});
beforeEach(() => {
  namespace = sharedServices().namespace;
  env = { AMQP_URL: amqpUrl, REDIS_URL: redisUrl, TALLYMAN_NAMESPACE: namespace, TALLYMAN_SHARDS: '2' };
});

const incarnation = async () => {
  const topology = await readTopology(redis, namespace);
  return topology === 'missing' ? topology : topology.incarnation;
};
const forget = () => redis.del(`${clusterKeyPrefix(namespace)}topology`);

describe('tallyman topology', () => {
  it('says what it declared, and the second time that nothing had to change', async () => {
    const first = await run('topology', env);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toContain(`${namespace}.usage: 64 slots on 2 shard queues.`);
    expect(first.stdout).toContain(`Incarnation ${await incarnation()}`);
    expect(first.stdout).toContain('Declared anew.');
    const second = await run('topology', env);
    expect(second.code).toBe(0);
    expect(second.stdout).toBe(
      first.stdout.replace('Declared anew.', 'It was declared before; nothing had to change.'),
    );
  });

  it('exits with 1 and names the difference when the number of shards is another one', async () => {
    await run('topology', env);
    const { code, stderr } = await run('topology', { ...env, TALLYMAN_SHARDS: '3' });
    expect(code).toBe(1);
    expect(stderr).toContain('Set TALLYMAN_SHARDS=2');
  });

  it('exits with 1 when Redis has lost the incarnation', async () => {
    await run('topology', env);
    await forget();
    const { code, stderr } = await run('topology', env);
    expect(code).toBe(1);
    expect(stderr).toContain('tallyman recover');
  });

  it('exits with 78 and every fault of the configuration', async () => {
    const { code, stderr } = await run('topology', { TALLYMAN_SHARDS: '65', TALLYMAN_SHARD: '2' });
    expect(code).toBe(78);
    for (const name of ['AMQP_URL', 'REDIS_URL', 'TALLYMAN_SHARDS', 'TALLYMAN_SHARD ']) expect(stderr).toContain(name);
  });

  it.each(['AMQP_URL', 'REDIS_URL'])(
    'exits with 69 when what %s names cannot be reached, without telling its password',
    async (name) => {
      const scheme = name === 'AMQP_URL' ? 'amqp' : 'redis';
      const port = await freePort();
      const { code, stderr } = await run('topology', { ...env, [name]: `${scheme}://user:hidden@127.0.0.1:${port}` });
      expect(code).toBe(69);
      expect(stderr).toMatch(
        new RegExp(`127.0.0.1:${port} \\(${name}\\) cannot be used: nothing listens at this host and port`),
      );
      expect(stderr).not.toContain('hidden');
    },
  );

  // It said "Expected ConnectionOpenOk; got <ConnectionClose channel:0>".
  it('says in plain words that the virtual host is not there', async () => {
    const { code, stderr } = await run('topology', { ...env, AMQP_URL: `${env['AMQP_URL']}/absent` });
    expect(code).toBe(69);
    expect(stderr).toContain('it does not let this user into the virtual host of AMQP_URL');
  });

  it('changes the number of shards of a cluster that is still, and is the same again after another change', async () => {
    await run('topology', env);
    const before = await incarnation();
    const more = await run('topology', env, '--reshard', '4');
    expect(more).toMatchObject({ code: 0, stderr: '' });
    expect(more.stdout).toContain('The cluster has 4 shards. Start the consumers with TALLYMAN_SHARDS=4');
    expect((await run('topology', { ...env, TALLYMAN_SHARDS: '4' })).stdout).toContain('64 slots on 4 shard queues');
    expect((await run('topology', env, '--reshard', '4')).stdout).toContain('already');
    expect((await run('topology', env)).stderr).toContain('TALLYMAN_SHARDS=4');
    expect((await run('topology', env, '--reshard', '2')).code).toBe(0);
    expect((await run('topology', env)).stdout).toContain('nothing had to change');
    expect(await incarnation()).toBe(before);
  });

  it('prints JSON for programs', async () => {
    expect(JSON.parse((await run('topology', env, '--json')).stdout)).toEqual({
      incarnation: await incarnation(),
      createdAt: expect.stringMatching(/^20\d\d-.*Z$/),
      shards: 2,
      journalFormat: newestFormat,
      slots: expect.arrayContaining([0, 1]),
      before: 'nothing',
      made: expect.arrayContaining([shardQueue(namespace, 0), shardQueue(namespace, 1)]),
    });
    const raised = await run('topology', env, '--journal-format', String(newestFormat), '--json');
    expect(JSON.parse(raised.stdout)).toEqual({ journalFormat: newestFormat, answer: 'already' });
    const more = (await run('topology', env, '--reshard', '4', '--json')).stdout.trim().split('\n');
    expect(JSON.parse(more.at(-1) ?? '')).toEqual({ answer: 'done', shards: 4 });
    const found: unknown = JSON.parse((await run('recover', { ...env, TALLYMAN_SHARDS: '4' }, '--json')).stdout);
    expect(found).toMatchObject({ healthy: true, obstacles: [], exchange: true, topology: { shards: 4 } });
    expect(found).toMatchObject({ queues: expect.arrayContaining([{ shard: 3, ready: 0, consumers: 0 }]) });
  });

  it.each([
    [['--reshard']],
    [['--reshard', 'two']],
    [['--reshard', '4', 'now']],
    [['--shards', '4']],
    [['--journal-format', '3']],
    [['--reshard', '65']],
    [['--reshard', '4', '--journal-format', '2']],
  ])('does not know what %j means, and changes nothing', async (args) => {
    const { code, stderr } = await run('topology', env, ...args);
    expect(code).toBe(64);
    expect(stderr).toMatch(/^[^\n]+[.?]\nSee tallyman topology --help\n$/);
    expect(await incarnation()).toBe('missing');
  });

  it('refuses a cluster that is not there', async () => {
    expect((await run('topology', env, '--reshard', '4')).stderr).toContain('Nothing is declared');
  });
});

describe('tallyman recover', () => {
  it('says what is known and what is not, and changes nothing without --yes', async () => {
    await run('topology', env);
    const journal = createRedisJournal({ redis, namespace, shard: 1, format: () => newestFormat });
    await journal.claim('consumer', 60_000);
    const parts = {
      cursors: new Map([['1/p', '1']]),
      forgottenCursors: [],
      ids: [],
      forgottenIdSets: [],
      totals: new Map(),
    };
    await journal.commit(1, { set: 1, token: 't', entries: [], ...parts });
    const channel = await connection.createConfirmChannel();
    channel.publish(usageExchange(namespace), '0', Buffer.from('{}'), { persistent: true });
    await channel.waitForConfirms();
    await channel.close();
    await forget();

    const { code, stdout, stderr } = await run('recover', env);
    expect(code).toBe(1);
    expect(stdout).toContain(`exchange ${namespace}.usage, 2 shard queues with 1 message ready`);
    expect(stdout).toContain('no topology and no incarnation; journals of 1 shard.');
    expect(stdout).toMatch(/^ +001 +\d +0 +1 +2 +1 +1 +0 +0 +20\d\d-/m);
    expect(stdout).toContain('NOT KNOWN');
    expect(stdout).toContain('billed a second time');
    expect(stderr).toContain('tallyman recover --yes');
    expect(await incarnation()).toBe('missing');
  });

  it('makes a new incarnation with --yes, on which the topology is complete again', async () => {
    await run('topology', env);
    const before = await incarnation();
    await forget();
    const { code, stdout } = await run('recover', env, '--yes');
    expect(code).toBe(0);
    expect(await incarnation()).not.toBe(before);
    expect(stdout).toContain(`The incarnation is ${await incarnation()} now.`);
    expect(await run('topology', env)).toMatchObject({ code: 0 });
  });

  // It said "nothing was changed" and exited with 1 on a cluster that had nothing at all, next to the offer to bill twice.
  it('calls a healthy cluster healthy, and advises nothing that could bill twice', async () => {
    await run('topology', env);
    const before = await incarnation();
    const { code, stdout, stderr } = await run('recover', env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('HEALTHY');
    expect(stdout).not.toContain('NOT KNOWN');
    expect(await incarnation()).toBe(before);
  });

  it('makes another incarnation with --yes while there is one: Redis may have lost its last writes only', async () => {
    await run('topology', env);
    const before = await incarnation();
    expect(await run('recover', env, '--yes')).toMatchObject({ code: 0 });
    expect(await incarnation()).not.toBe(before);
  });

  it('has nothing to recover where nothing was declared', async () => {
    const { code, stderr } = await run('recover', env, '--yes');
    expect(code).toBe(1);
    expect(stderr).toContain('Run tallyman topology.');
    expect(await incarnation()).toBe('missing');
  });

  it('does not guess what an argument means', async () => {
    const { code, stderr } = await run('recover', env, '--force');
    expect(code).toBe(64);
    expect(stderr).toBe('Unknown option: --force.\nSee tallyman recover --help\n');
  });
});

describe('tallyman status', () => {
  it('says what is wrong, and what to run, before anything is declared and before a consumer runs', async () => {
    const before = await run('status', env);
    expect(before).toMatchObject({ code: 1, stderr: '' });
    expect(before.stdout).toMatch(/^WRONG\n {2}Nothing is declared[^]*WHAT TO DO\n {2}tallyman topology\n/);
    await run('topology', env);
    const after = await run('status', env);
    expect(after.stdout).toContain('No consumer is a member of the cluster');
    expect(after.stdout).toContain('Broker and Redis know the same cluster: 2 shards');
  });

  it('is healthy, with 0, once consumers own every shard and know the meters', async () => {
    await run('topology', env);
    await createMembership(redis, namespace).heartbeat('one', 60_000);
    const held = { messagesHeld: 0, eventsOpen: 0, entriesPending: 0 };
    await createViewStore(redis, namespace).write('pod', { member: 'one', reasons: [], remarks: [], ...held });
    const readAtMs = await redisNowMs(redis);
    await createCatalogStore(redis, clusterKeyPrefix(namespace)).store({ readAtMs, meters: [] });
    for (const shard of [0, 1])
      await createRedisJournal({ redis, namespace, shard, format: () => newestFormat }).claim('one', 60_000);
    const { code, stdout } = await run('status', env);
    expect(stdout).toContain('1 consumer; 2 of 2 shards owned.');
    expect(stdout).toContain(`${namespace} is healthy; nothing waits.`);
    expect(code).toBe(0);
    expect(JSON.parse((await run('status', env, '--json')).stdout)).toMatchObject({ needsPerson: false });
  });

  it('says no more than is known where a consumer leaves no view, as one of an older version', async () => {
    await run('topology', env);
    await createMembership(redis, namespace).heartbeat('one', 60_000);
    const { code, stdout } = await run('status', env, '--json');
    expect(code).toBe(1);
    expect(stdout).toContain('What 1 consumer of 1 sees is not known (one)');
  });

  it('names the queues that the broker lacks', async () => {
    await run('topology', env);
    const channel = await connection.createChannel();
    await channel.deleteQueue(shardQueue(namespace, 1));
    await channel.close();
    expect((await run('status', env)).stdout).toContain(`The broker lacks the queue ${shardQueue(namespace, 1)}: `);
  });

  // One that was frozen kept the command for 20 s and more, which then said nothing of the other one.
  it.each(['REDIS_URL', 'AMQP_URL'] as const)(
    'answers soon with 69 while %s is silent, and tells of the other',
    async (name) => {
      await run('topology', env);
      await createMembership(redis, namespace).heartbeat('one', 60_000);
      const silent = createServer(() => undefined).listen(0, '127.0.0.1');
      onTestFinished(() => void silent.close());
      await once(silent, 'listening');
      const { port } = silent.address() as AddressInfo;
      const scheme = name === 'REDIS_URL' ? 'redis' : 'amqp';
      const startedAt = performance.now();
      const { code, stdout } = await run('status', { ...env, [name]: `${scheme}://127.0.0.1:${port}` });
      expect(performance.now() - startedAt).toBeLessThan(12_000);
      expect(code).toBe(69);
      expect(stdout).toMatch(new RegExp(`^WRONG\\n.*127\\.0\\.0\\.1:${port} \\(${name}\\) cannot be used`));
      expect(stdout).toContain(
        name === 'REDIS_URL' ? 'No message waits for a consumer' : '1 consumer; 0 of 2 shards owned',
      );
      expect(stdout).not.toContain('Nothing is declared');
    },
  );

  it('does not guess what an argument means', async () => {
    expect(await run('status', env, '--jsn')).toMatchObject({ code: 64, stdout: '' });
  });
});
