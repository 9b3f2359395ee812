/** shared/client against real sidecars, to the bill. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ClientOptions, createClient, type UsageClient } from '../../../../shared/client/index.ts';
import { plainEnvironment } from '../../../../shared/testing/child.ts';
import { until } from '../../../../shared/testing/until.ts';
import { openGate } from '../../../../services/publisher/src/testing.ts';
import type { RunningService } from '../../../lab/cluster/service.ts';
import type { Owed } from '../../../lab/load/books.ts';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { durations, testTimeoutMs } from '../stage/durations.ts';
import { openStage, type Stage } from '../stage/stage.ts';

const customers = 40;
const customerOf = (number: number): string => `cus_client${number % customers}`;

/** What `events` events of value 1, 2, 3 … in turn over the customers come to. */
function bill(events: number): readonly Owed[] {
  const sums = new Map<string, { value: number; events: number }>();
  for (let number = 0; number < events; number++) {
    const sum = sums.get(customerOf(number)) ?? { value: 0, events: 0 };
    sums.set(customerOf(number), { value: sum.value + number + 1, events: sum.events + 1 });
  }
  return [...sums].map(([customer, sum]) => owes(customer, 'tokens', sum.value, sum.events));
}

const usageOf = (number: number) => ({ customer: customerOf(number), meter: 'tokens', value: number + 1 });

function publisherOf({ cluster }: Stage): RunningService {
  const [publisher] = cluster.publishers;
  if (publisher === undefined) throw new Error('this stage has no publisher');
  return publisher;
}

function open(options: ClientOptions): UsageClient {
  const client = createClient(options);
  onTestFinished(() => client.close(0));
  return client;
}

describe('the Node client', { timeout: testTimeoutMs }, () => {
  it('has each event billed once, although the sidecar takes events, says nothing and is killed, again and again', async () => {
    const stage = await openStage();
    const publisher = publisherOf(stage);
    const gate = await openGate(Number(new URL(publisher.url).port));
    onTestFinished(() => gate.close());
    const client = open({ url: `http://127.0.0.1:${new URL(gate.url).port}`, batchEventsMax: 20 });
    const recorded: Promise<unknown>[] = [];
    const record = (events: number): void => {
      for (let event = 0; event < events; event++) {
        const one = client.record(usageOf(recorded.length));
        // Awaited below. A test that fails before must not fail once more for each of them.
        one.catch(() => undefined);
        recorded.push(one);
      }
    };
    /** Accepted by this life of the sidecar, and not told to the client. */
    const untold = async (): Promise<number> =>
      ((await publisher.metrics()).sum('tallyman_publisher_events_accepted_total') ?? 0) - client.counts().durable;
    for (let life = 0; life < 3; life++) {
      await Promise.all(recorded);
      // One connection is open when it is muffled, not as many as the life before has left: others have to get through.
      gate.cut();
      record(1);
      await Promise.all(recorded);
      const before = await untold();
      gate.muffle();
      record(1_500);
      // The client has been told of everything but what went over the connection that is muffled; that counts already.
      await until(async () => {
        const { held } = client.counts();
        expect(held).toBeGreaterThan(0);
        expect((await untold()) - before).toBe(held);
      });
      record(500);
      await publisher.kill();
      await publisher.restart();
    }
    await Promise.all(recorded);
    const events = recorded.length;
    expect(client.counts()).toMatchObject({ held: 0, durable: events, rejected: 0, undelivered: 0 });
    expect(client.counts().retries).toBeGreaterThanOrEqual(3);
    expect(await closeBooks(stage, () => bill(events))).toMatchObject(exact);
  });

  it('takes no more than its buffer holds while the sidecar stands still, and delivers all that it took', async () => {
    const stage = await openStage();
    const publisher = publisherOf(stage);
    const client = open({ url: publisher.url, bufferBytesMax: 1_000_000 });
    publisher.freeze();
    // All as long as each other: a time that ends with a zero is a digit shorter, and might fit where another did not.
    const timestamp = Math.floor(Date.now() / 1_000);
    const sameLength = () => ({ ...usageOf(taken), timestamp });
    let taken = 0;
    while (client.tryRecord(sameLength())) taken++;
    expect(client.counts()).toMatchObject({ held: taken, turnedAway: 1 });
    const before = process.memoryUsage().heapUsed;
    for (let attempt = 0; attempt < 50_000; attempt++) client.tryRecord(sameLength());
    expect(client.counts()).toMatchObject({ held: taken, turnedAway: 50_001 });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100_000_000);
    publisher.thaw();
    while (taken < 5_000) {
      if (client.tryRecord(sameLength())) taken++;
      else await client.drained();
    }
    await client.close(durations.patienceMs);
    expect(client.counts()).toMatchObject({ held: 0, durable: taken });
    expect(await closeBooks(stage, () => bill(taken))).toMatchObject(exact);
  });

  it('speaks to a sidecar on a Unix socket that asks for a token, and tells each event its own fault', async () => {
    const stage = await openStage({ publishers: 0 });
    const { cluster, nursery } = stage;
    const socket = join(nursery.folder, 'sidecar.sock');
    const env = { AMQP_URL: cluster.amqpUrl, TALLYMAN_NAMESPACE: cluster.namespace, TALLYMAN_SOCKET: socket };
    const main = join(import.meta.dirname, '../../../../services/publisher/src/main.ts');
    await nursery.spawn('publisher-on-socket', process.execPath, [main], {
      env: { ...plainEnvironment(), ...env, TALLYMAN_TOKEN: 'a-token-of-the-test' },
    });
    // From before the sidecar listens: that is a failure like any other.
    const client = open({ socket, token: () => 'a-token-of-the-test' });
    const outcomes = await Promise.allSettled([
      client.record(usageOf(0)),
      client.record({ ...usageOf(1), value: 'many' }),
      client.record({ ...usageOf(1), customer: '' }),
      client.record(usageOf(1)),
    ]);
    expect(outcomes).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { name: 'UsageRejected', code: 'value_invalid', field: 'value' } },
      { status: 'rejected', reason: { name: 'UsageRejected', code: 'customer_invalid', field: 'customer' } },
      { status: 'fulfilled' },
    ]);
    const stranger = open({ socket, token: 'another' });
    await expect(stranger.record(usageOf(9))).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('401 unauthorized'),
    });
    expect(await closeBooks(stage, () => bill(2))).toMatchObject(exact);
  });

  it.each([
    ['comes to its end', ''],
    ['is told to end', 'process.once("SIGTERM", () => void client.close().then(() => process.exit(0)));'],
  ])('delivers what it holds when its process %s', async (_, onSignal) => {
    const stage = await openStage();
    const { nursery } = stage;
    const events = 2_000;
    const module = join(import.meta.dirname, '../../../../shared/client/index.ts');
    const program = join(nursery.folder, 'application.ts');
    // With a linger that never ends by itself within this test where the process is to be told.
    const lingerMs = onSignal === '' ? 5 : 600_000;
    await writeFile(
      program,
      `import { createClient } from ${JSON.stringify(module)};
const client = createClient({ url: ${JSON.stringify(publisherOf(stage).url)}, lingerMs: ${lingerMs}, batchEventsMax: 10_000 });
${onSignal}
for (let number = 0; number < ${events}; number++) {
  client.tryRecord({ customer: \`cus_client\${number % ${customers}}\`, meter: 'tokens', value: number + 1 });
}
console.log('recorded');
`,
    );
    const application = await nursery.spawn('application', process.execPath, [program], { env: plainEnvironment() });
    await until(async () => expect(await application.lastLines(10)).toContain('recorded'));
    if (onSignal !== '') application.signal('SIGTERM');
    expect(await application.exited).toEqual({ code: 0, signal: null });
    expect(await closeBooks(stage, () => bill(events))).toMatchObject(exact);
  });
});
