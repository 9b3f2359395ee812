/** Chaos with the real Kubernetes client, against a model of the API: there is no cluster here. */
import { expect, it, onTestFinished } from 'vitest';
import type { SendLine } from '../load/send-line.ts';
import { causeChaos, type ChaosOptions, ChaosRefused } from './chaos.ts';
import { ChaosCluster } from './cluster.ts';
import { type ModelApi, type ModelCluster, startModelApi } from './model-api.ts';

const allowed = { 'tallyman/chaos': 'allowed' };
const options: ChaosOptions = { namespace: 'tallyman', events: 300, ratePerS: 100, faults: 9, seed: 3 };
const times = { lookEveryMs: 5, settleMs: 1_000, quietMs: 10, pace: 0 };
const owed = [{ customer: 'cus_1', meter: 'tokens', formula: 'sum' as const, units: '30000', events: 3 }];
const billed = (value: string) => ({
  events: 1,
  duplicates: 0,
  throttled: 0,
  totals: [{ customer: 'cus_1', event_name: 'tokens', value, events: 1 }],
});
const nothing = { ...billed('0'), events: 0, totals: [] };

/** A cluster in which the load ends, with this in the ledger then. */
async function start(ledger: unknown, more: Partial<ModelCluster> = {}): Promise<ModelApi> {
  let looks = 0;
  const hasEnded = () => looks > 15;
  const line = (): SendLine => (hasEnded() ? { durable: 3, owed } : { durable: ++looks });
  const api = await startModelApi({
    labels: allowed,
    log: () => `${JSON.stringify(line())}\n`,
    phase: () => (hasEnded() ? 'Succeeded' : 'Running'),
    ledger: () => (hasEnded() ? ledger : nothing),
    ...more,
  });
  onTestFinished(() => api.close());
  return api;
}

const run = ({ config }: ModelApi) => causeChaos(new ChaosCluster(config, 'tallyman'), options, () => undefined, times);

it('deletes pods of every role both ways, cordons, scales, makes everything good and finds the bill exact', async () => {
  const api = await start(billed('3'));
  expect(await run(api)).toMatchObject({ compared: 1, differences: [] });

  const [load] = api.changes.filter((change) => change.startsWith('POST'));
  expect(load, 'the image of the simulator can send').toContain('"image":"tallyman-laboratory:7"');
  const deleted = api.changes.filter((change) => change.startsWith('DELETE'));
  for (const role of ['tallyman-consumer', 'tallyman-publisher', 'broker']) {
    const ofRole = deleted.filter((change) => change.includes(`/${role}-`));
    expect(
      ofRole.some((change) => change.includes('?gracePeriodSeconds=0')),
      role,
    ).toBe(true);
    expect(
      ofRole.some((change) => !change.includes('?')),
      role,
    ).toBe(true);
  }
  const cordons = api.changes.filter((change) => change.includes('/nodes/node-1'));
  expect(cordons).toEqual([
    expect.stringContaining('"unschedulable":true'),
    expect.stringContaining('"unschedulable":false'),
  ]);
  const scales = api.changes.filter((change) => change.includes('horizontalpodautoscalers'));
  expect(scales).toHaveLength(3);
  expect(scales.at(-1), 'the bounds are what they were').toContain('"minReplicas":3,"maxReplicas":16');
});

it('refuses to run in a namespace without the label that allows it, and touches nothing', async () => {
  const api = await start(billed('3'), { labels: { 'tallyman/chaos': 'no' } });
  await expect(run(api)).rejects.toThrow(ChaosRefused);
  await expect(run(api)).rejects.toThrow('kubectl label namespace tallyman tallyman/chaos=allowed');
  expect(api.changes).toEqual([]);
});

it('refuses to run where the simulator holds usage of others, or where there is none', async () => {
  const used = await start(billed('3'), { ledger: () => billed('1') });
  await expect(run(used)).rejects.toThrow('holds usage already');
  const absent = await start(undefined, { ledger: () => undefined });
  await expect(run(absent)).rejects.toThrow('no simulated Stripe');
  expect([...used.changes, ...absent.changes]).toEqual([]);
});

it.each([
  ['2', 'short'],
  ['4', 'over'],
])('finds a bill of %s instead of 3', async (value, kind) => {
  const api = await start(billed(value));
  expect((await run(api)).differences).toMatchObject([{ kind, owed: '3', billed: value }]);
});

it('makes everything good also when it breaks off', async () => {
  const api = await start(billed('3'), { phase: () => 'Failed' });
  await expect(run(api)).rejects.toThrow('The load broke off');
  expect(api.changes.at(-1)).toContain('"minReplicas":3,"maxReplicas":16');
});
