import { readdir, readFile, readlink } from 'node:fs/promises';
import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBroker, type Broker } from './broker.ts';
import { openNursery } from './nursery.ts';

describe('a private broker', () => {
  let broker: Broker;
  beforeAll(async () => {
    broker = await startBroker();
  }, 60_000);
  afterAll(() => broker.stop());

  it('still has a confirmed message after SIGKILL and a start on the same data', async () => {
    const before = await connect(broker.url);
    // The kill ends this connection: that is the point of the test, and amqplib reports it as an error event.
    before.on('error', () => undefined);
    const confirming = await before.createConfirmChannel();
    confirming.on('error', () => undefined);
    await confirming.assertQueue('survivor', { durable: true });
    confirming.sendToQueue('survivor', Buffer.from('kept'), { persistent: true });
    await confirming.waitForConfirms();

    await broker.kill('SIGKILL');
    await expect(connect(broker.url)).rejects.toThrow(/ECONNREFUSED/);
    await broker.start();

    const after = await connect(broker.url);
    const channel = await after.createChannel();
    const message = await channel.get('survivor', { noAck: true });
    expect(message !== false && message.content.toString()).toBe('kept');
    await channel.close();
    await after.close();
  }, 60_000);

  // Erlang's distribution listened on every address of the machine: with the cookie, a way in from the network.
  it.runIf(process.platform === 'linux')(
    'listens on loopback alone, with every port',
    async () => {
      const nursery = await openNursery();
      try {
        await startBroker({ nursery, management: true });
        const listening = await Promise.all([...nursery.children].map(({ pid }) => listeners(pid)));
        expect(listening.flat().length).toBeGreaterThan(1);
        expect(listening.flat().filter((address) => !loopback.includes(address))).toEqual([]);
      } finally {
        await nursery.close();
      }
    },
    60_000,
  );

  it('leaves no process behind when it is stopped', async () => {
    const nursery = await openNursery();
    try {
      const other = await startBroker({ nursery });
      expect(nursery.children.size).toBeGreaterThan(0);
      const children = [...nursery.children];
      await other.stop();
      expect([...nursery.children]).toEqual([]);
      expect(children.filter((child) => child.exit === undefined)).toEqual([]);
    } finally {
      await nursery.close();
    }
  }, 60_000);
});

/** 127.0.0.1 and ::1, as the kernel writes them. */
const loopback = ['0100007F', '00000000000000000000000001000000'];

/** Addresses that a process listens on with TCP, as the kernel writes them. */
async function listeners(pid: number): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`);
  // A descriptor may be closed between the two looks.
  const targets = await Promise.all(descriptors.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  const tables = await Promise.all(['tcp', 'tcp6'].map((table) => readFile(`/proc/${pid}/net/${table}`, 'utf8')));
  return tables.flatMap((table) =>
    table.split('\n').flatMap((line) => {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state !== '0A' || !targets.includes(`socket:[${inode}]`)) return [];
      return local.split(':').slice(0, 1);
    }),
  );
}
