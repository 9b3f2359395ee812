import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { type DrainOptions, SpoolDrain } from '../../../services/publisher/src/spool/drain.ts';
import { inspectSpool, type Inspection } from '../../../services/publisher/src/spool/inspect.ts';
import { sweepSpools } from '../../../services/publisher/src/spool/sweep.ts';
import { ConfigError, readSettings } from '../../../shared/config/config.ts';
import { settings } from '../../../shared/config/settings.ts';
import { createLog } from '../../../shared/log/log.ts';
import { usageExchange } from '../../../shared/topology/names.ts';
import { exitCodes } from '../program.ts';
import { counted } from '../../../shared/log/troubles.ts';

/** Without a message confirmed for so long, the drain gives up. What is confirmed by then is noted, and running it again is safe. */
const patienceMs = 60_000;
const lookEveryMs = 100;

type Place = Pick<DrainOptions, 'readUrl' | 'ca' | 'exchange'>;

async function onBroker(run: (place: Place) => Promise<number>): Promise<number> {
  let place: Place;
  try {
    const shape = { amqpUrl: settings.amqpUrl, ca: settings.ca, namespace: settings.namespace };
    const { amqpUrl, ca, namespace } = readSettings('scripts', process.env, shape).values();
    place = { readUrl: () => amqpUrl.reveal(), ca, exchange: usageExchange(namespace) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.report('tallyman spool'));
    return exitCodes.config;
  }
  return run(place);
}

export function inspect(directory: string, json: boolean): Promise<number> {
  return inFolder(directory, async (folder) => {
    const found = await inspectSpool(folder);
    console.log(json ? JSON.stringify(plain(folder, found)) : report(folder, found));
    return exitCodes.done;
  });
}

/** For a folder whose sidecar does not come back. */
export function drain(directory: string): Promise<number> {
  return inFolder(directory, (folder) => onBroker((place) => drainFolder(folder, place)));
}

export function sweep(directory: string): Promise<number> {
  return inFolder(directory, (parent) =>
    onBroker(async (place) => {
      const stopping = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
      await sweepSpools({ parent, ...place, log: createLog({ service: 'spool', level: 'info' }) }, stopping.signal);
      return exitCodes.done;
    }),
  );
}

async function inFolder(directory: string, run: (folder: string) => Promise<number>): Promise<number> {
  const folder = resolve(directory);
  if (existsSync(folder)) return run(folder);
  console.error(`There is no folder ${folder}.`);
  return exitCodes.refused;
}

/** For programs. */
function plain(folder: string, { isLocked, records, bytes, oldestAcceptedMs, segments, parked }: Inspection): object {
  return {
    folder,
    inUse: isLocked,
    messages: records,
    bytes,
    oldest: oldestAcceptedMs === undefined ? null : new Date(oldestAcceptedMs).toISOString(),
    segments: segments.map(({ name, bytes: size, records: messages, damagedBytes }) => ({
      ...{ name, messages, bytes: size, damagedBytes },
    })),
    parked,
  };
}

function report(folder: string, found: Inspection): string {
  const { isLocked, records, bytes, oldestAcceptedMs, segments, parked } = found;
  const oldest = oldestAcceptedMs === undefined ? '' : `, the oldest of ${new Date(oldestAcceptedMs).toISOString()}`;
  const lines = [
    `${folder}: ${counted(records, 'message')} to publish, ${counted(bytes, 'byte')}${oldest}.`,
    isLocked ? 'A sidecar has it, so these numbers are changing.' : 'No sidecar has it.',
  ];
  for (const { name, bytes: size, records: count, damagedBytes } of segments) {
    const damaged = damagedBytes === 0 ? '' : `, of them ${counted(damagedBytes, 'byte')} no message`;
    lines.push(`  ${name}  ${counted(size, 'byte')}, ${counted(count, 'message')}${damaged}`);
  }
  if (parked.length > 0) {
    lines.push('Kept aside, and published by nobody (parked: older than 35 days; damaged: not readable):');
    for (const { name, bytes: size } of parked) lines.push(`  ${name}  ${counted(size, 'byte')}`);
  }
  return lines.join('\n');
}

async function drainFolder(folder: string, place: Place): Promise<number> {
  const before = await inspectSpool(folder);
  if (before.isLocked) return refuseLocked(folder);
  if (before.segments.length === 0) {
    console.log(`There is nothing to publish in ${folder}.`);
    return exitCodes.done;
  }
  const draining = new SpoolDrain({
    folder,
    ...place,
    registry: new Registry(),
    log: createLog({ service: 'spool', level: 'warn' }),
  });
  await draining.start();
  try {
    if (draining.state === 'locked') return refuseLocked(folder);
    return await watch(draining, folder, before.records);
  } finally {
    await draining.stop();
  }
}

function refuseLocked(folder: string): number {
  console.error(
    `${folder} is in use by a running process, such as a sidecar, which publishes it. To drain it yourself, stop that process first. Nothing was changed.`,
  );
  return exitCodes.refused;
}

async function watch(draining: SpoolDrain, folder: string, records: number): Promise<number> {
  let left = records;
  let movedAtMs = performance.now();
  console.log(`${counted(records, 'message')} to publish.`);
  while (!draining.isEmpty) {
    await sleep(lookEveryMs);
    if (draining.records < left) {
      left = draining.records;
      movedAtMs = performance.now();
    }
    if (performance.now() - movedAtMs > patienceMs) {
      console.error(
        `No message was confirmed for ${patienceMs / 1_000} s; ${counted(left, 'message')} left in ${folder}. Look at AMQP_URL, and at the topology (tallyman topology); then run this again.`,
      );
      return exitCodes.unavailable;
    }
  }
  console.log(`${counted(records, 'message is', 'messages are')} with the broker; ${folder} is empty.`);
  return exitCodes.done;
}
