import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { SpoolDrain } from '../services/publisher/src/spool/drain.ts';
import { inspectSpool, type Inspection } from '../services/publisher/src/spool/inspect.ts';
import { ConfigError, readSettings } from '../shared/config/config.ts';
import { settings } from '../shared/config/settings.ts';
import { createLog } from '../shared/log/log.ts';
import { usageExchange } from '../shared/topology/names.ts';
import { exitCodes } from './backing.ts';

/**
 * `npm run spool -- inspect DIR`: what is in a sidecar's spool, without touching it.
 * `npm run spool -- drain DIR`: publishes it to the broker of AMQP_URL, for a folder whose sidecar does not come back.
 */
const usage = `npm run spool -- inspect DIR   says what is in the spool; changes nothing
npm run spool -- drain DIR     publishes it to AMQP_URL, confirmed, oldest first; only while no sidecar has it`;

/** Without a message confirmed for so long, the drain gives up. What is confirmed by then is noted, and running it again is safe. */
const patienceMs = 60_000;
const lookEveryMs = 100;

async function spool([command, directory, ...rest]: readonly string[]): Promise<number> {
  if ((command !== 'inspect' && command !== 'drain') || directory === undefined || rest.length > 0) {
    console.error(usage);
    return exitCodes.usage;
  }
  const folder = resolve(directory);
  if (!existsSync(folder)) {
    console.error(`There is no folder ${folder}.`);
    return exitCodes.refused;
  }
  return command === 'inspect' ? inspect(folder) : drain(folder);
}

async function inspect(folder: string): Promise<number> {
  console.log(report(folder, await inspectSpool(folder)));
  return exitCodes.done;
}

function report(folder: string, found: Inspection): string {
  const { isLocked, records, bytes, oldestAcceptedMs, segments, parked } = found;
  const oldest = oldestAcceptedMs === undefined ? '' : `, the oldest of ${new Date(oldestAcceptedMs).toISOString()}`;
  const lines = [
    `${folder}: ${records} messages to publish, ${bytes} bytes${oldest}.`,
    isLocked ? 'A process has it: what is said here is changing.' : 'No process has it.',
  ];
  for (const { name, bytes: size, records: count, damagedBytes } of segments) {
    const damaged = damagedBytes === 0 ? '' : `, ${damagedBytes} bytes that are no messages`;
    lines.push(`  ${name}  ${size} bytes, ${count} messages${damaged}`);
  }
  if (parked.length > 0) {
    lines.push('Kept aside, and published by nobody (parked: older than 35 days; damaged: not readable):');
    for (const { name, bytes: size } of parked) lines.push(`  ${name}  ${size} bytes`);
  }
  return lines.join('\n');
}

async function drain(folder: string): Promise<number> {
  let amqpUrl;
  let ca;
  let namespace;
  try {
    const shape = { amqpUrl: settings.amqpUrl, ca: settings.ca, namespace: settings.namespace };
    ({ amqpUrl, ca, namespace } = readSettings('scripts', process.env, shape).values());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.report('npm run spool'));
    return exitCodes.config;
  }
  const before = await inspectSpool(folder);
  if (before.isLocked) return refuseLocked(folder);
  if (before.segments.length === 0) {
    console.log(`There is nothing to publish in ${folder}.`);
    return exitCodes.done;
  }
  const url = amqpUrl;
  const draining = new SpoolDrain({
    folder,
    readUrl: () => url.reveal(),
    ca,
    exchange: usageExchange(namespace),
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
    `A process has ${folder}: a sidecar that runs publishes it by itself. Stop it first if it shall not. Nothing was changed.`,
  );
  return exitCodes.refused;
}

async function watch(draining: SpoolDrain, folder: string, records: number): Promise<number> {
  let left = records;
  let movedAtMs = performance.now();
  console.log(`${records} messages to publish.`);
  while (!draining.isEmpty) {
    await sleep(lookEveryMs);
    if (draining.records < left) {
      left = draining.records;
      movedAtMs = performance.now();
    }
    if (performance.now() - movedAtMs > patienceMs) {
      console.error(
        `No message was confirmed for ${patienceMs / 1_000} s; ${left} are left in ${folder}. Look at AMQP_URL, and at the topology (npm run topology); then run this again.`,
      );
      return exitCodes.unavailable;
    }
  }
  console.log(`${records} messages are with the broker; ${folder} is empty.`);
  return exitCodes.done;
}

process.exitCode = await spool(process.argv.slice(2));
