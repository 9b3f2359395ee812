import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { expect, it, onTestFinished } from 'vitest';
import { BrokerConnection } from '../../../../shared/amqp/connection.ts';
import { slotOf } from '../../../../shared/event/lane.ts';
import { encodeMessage } from '../../../../shared/event/message.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { until } from '../../../../shared/testing/until.ts';
import { usageExchange } from '../../../../shared/topology/names.ts';
import { createMetrics } from '../metrics.ts';
import { spoolLimits } from '../spool/limits.ts';
import { createSpoolMetrics } from '../spool/metrics.ts';
import { Spool } from '../spool/spool.ts';
import { declareQueues, takeAll } from '../testing.ts';
import { OutboxCore } from './core.ts';
import { defaultLimits } from './limits.ts';
import { type Outcome, Outbox } from './outbox.ts';

const log = createLog({ service: 'test', level: 'silent' });
const slot = slotOf({ customer: 'a', meter: 'm' });
const text = (id: string) => encodeEvent({ id, customer: 'a', meter: 'm', value: '1', timestamp: 1_795_426_200 });

async function openSpool(folder: string): Promise<Spool> {
  const spool: Spool = new Spool({
    folder,
    limits: spoolLimits(64 * 1024 * 1024),
    log,
    metrics: createSpoolMetrics(new Registry(), () => spool),
  });
  await spool.start();
  return spool;
}

it('replays in order what a former life has left, and publishes live messages meanwhile', async () => {
  const { amqpUrl, namespace } = sharedServices();
  await declareQueues(amqpUrl, namespace);
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-replay-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const left = 6_000;
  const former = await openSpool(folder);
  await Promise.all(
    Array.from({ length: left }, (_, index) => {
      const body = encodeMessage({ receivedAt: 1_795_426_200, source: '', region: '' }, [text(`left.${index}`)]);
      const origin = { producer: 'former', slot, sequence: index + 1 };
      return new Promise((resolve) => former.append({ origin, body, acceptedAtMs: Date.now() }, Infinity, resolve));
    }),
  );
  await former.stop();

  const spool = await openSpool(folder);
  expect(spool.records).toBe(left);
  const core = new OutboxCore({ producer: 'live', source: '', region: '' }, defaultLimits);
  const gauges = { unconfirmedMessages: 0, heldBytes: 0, connected: true };
  const metrics = createMetrics(new Registry(), () => gauges);
  const connection = new BrokerConnection({ readUrl: () => amqpUrl, name: 'test', log });
  const outbox = new Outbox({ core, connection, exchange: usageExchange(namespace), log, metrics, spool });
  onTestFinished(async () => {
    outbox.stop();
    await spool.stop();
    await connection.stop();
  });
  connection.start();
  await until(() => core.isConnected);

  const tookMs: number[] = [];
  while (spool.records > 0) {
    const startedMs = performance.now();
    const each = text(`live.${tookMs.length}`);
    const events = [{ slot, text: each, bytes: each.length }];
    const outcome = await new Promise<Outcome>((resolve) => outbox.submit(events, Date.now(), resolve));
    expect(outcome).toBe('durable');
    tookMs.push(performance.now() - startedMs);
  }
  await until(() => spool.isEmpty);
  // Several while thousands wait: behind all of the spool there would have been one.
  expect(tookMs.length).toBeGreaterThan(5);

  const stored = await takeAll(amqpUrl, namespace);
  const sequences = (producer: string) =>
    stored.filter(({ origin }) => origin.producer === producer).map(({ origin }) => origin.sequence);
  expect(sequences('former')).toEqual(Array.from({ length: left }, (_, index) => index + 1));
  expect(sequences('live')).toEqual(tookMs.map((_, index) => index + 1));
});
