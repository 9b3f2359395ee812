import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import type { RunningService } from '../../../lab/cluster/service.ts';
import { closeBooks, exact, owes, untilBilled } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { type PostedEvent, postEvents, tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';

const customers = Array.from({ length: 40 }, (_, at) => `cus_${at}`);
const owed = (events: number) => () => customers.map((customer) => owes(customer, 'tokens', events, events));
const round = (name: string): PostedEvent[] =>
  customers.map((customer) => ({ id: `${name}-${customer}`, customer, meter: 'tokens', value: 1 }));

async function ownedBy(consumer: RunningService): Promise<number> {
  return (await consumer.metrics()).sum('tallyman_consumer_shards_owned') ?? 0;
}

/** A healthy consumer that has billed one round, and a provider that refuses this key from now on. */
async function openWithRefused(key: string) {
  const stage = await openStage();
  const { cluster, shards, simulatorUrl } = stage;
  const [publisher, healthy] = [pick(cluster.publishers), pick(cluster.consumers)];
  await tellSimulator(simulatorUrl, 'world', { revokedKeys: [key] });
  await postEvents(publisher, ...round('before'));
  await untilBilled(stage, owed(1));
  return { stage, cluster, shards, simulatorUrl, publisher, healthy };
}

/**
 * A rollout with a wrong key passed its probes and stopped all billing, pod by pod: a consumer whose key is refused knew the meters
 * from Redis, joined without one call that succeeded, and took 6 of 16 shards from the healthy one.
 */
it(
  'a consumer whose key is refused takes no shard from one that bills, says why, and joins once its key is right',
  { timeout: testTimeoutMs },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tallyman-key-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'stripe-key');
    await writeFile(file, 'sk_live_wrong\n');
    const { stage, cluster, shards, publisher, healthy } = await openWithRefused('sk_live_wrong');

    const refused = await cluster.addConsumer({ STRIPE_API_KEY: '', STRIPE_API_KEY_FILE: file });
    await until(async () => expect(await refused.lastLines(50)).toContain('"reason":"stripe_key_refused"'), patient);
    expect(await (await fetch(`${refused.url}/readyz`)).json()).toMatchObject({
      ready: true,
      remarks: [expect.stringContaining('refuses STRIPE_API_KEY: this consumer does not join')],
    });
    expect((await refused.metrics()).sum('tallyman_consumer_meter_lists_unreadable')).toBe(1);
    await postEvents(publisher, ...round('meanwhile'));
    await untilBilled(stage, owed(2));
    expect([await ownedBy(healthy), await ownedBy(refused)]).toEqual([shards, 0]);

    await writeFile(file, 'sk_live_right\n');
    await until(async () => expect(await ownedBy(refused)).toBeGreaterThan(0), patient);
    expect(await refused.lastLines(50)).toContain('this consumer joins');
    expect(await (await fetch(`${refused.url}/readyz`)).json()).toMatchObject({ ready: true, remarks: [] });
    await postEvents(publisher, ...round('after'));
    expect(await closeBooks(stage, owed(3))).toMatchObject(exact);
  },
);

it(
  'a refused key joins when the last consumer that billed has gone, so that a rollout ends',
  { timeout: testTimeoutMs },
  async () => {
    const { stage, cluster, shards, simulatorUrl, publisher, healthy } = await openWithRefused('sk_live_wrong');
    const refused = await cluster.addConsumer({ STRIPE_API_KEY: 'sk_live_wrong' });
    await until(async () => expect(await refused.lastLines(50)).toContain('does not join'), patient);
    await healthy.drain();
    await until(async () => expect(await ownedBy(refused)).toBe(shards), patient);
    expect(await refused.isReady()).toBe(true);

    await postEvents(publisher, ...round('after'));
    await tellSimulator(simulatorUrl, 'world', { revokedKeys: [] });
    expect(await closeBooks(stage, owed(2))).toMatchObject(exact);
  },
);
