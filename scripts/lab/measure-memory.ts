import { setTimeout as sleep } from 'node:timers/promises';
import { main, positive, Program, whole } from '../commands/program.ts';
import { createClient } from '../../shared/client/client.ts';
import { startBroker } from '../../shared/testing/broker.ts';
import { openNursery, type Nursery } from '../../shared/testing/nursery.ts';
import { startRedis } from '../../shared/testing/redis.ts';
import { startCluster } from './cluster/cluster.ts';
import type { RunningService } from './cluster/service.ts';
import { drainQueues } from './memory/drain-queues.ts';
import { flatnessOf, type Sample, warmUpShare } from './memory/flatness.ts';
import { startForgetfulStripe } from './memory/forgetful-stripe.ts';

const meter = 'api_calls';
const shards = 16;
const dayPerRun = (24 * 3_600_000) / (10 * 60_000);
/** What may lie between sidecar and bill. Small and steady: what a consumer holds of a backlog is no growth. */
const backlogMax = 20_000;
const tickMs = 20;
const sampleEveryMs = 1_000;
const ratioMax = 1.2;

interface CommandLine {
  readonly customers: number;
  readonly minutes: number;
  readonly withoutConsumers: boolean;
}

export function program(): Program {
  return new Program('node scripts/lab/measure-memory.ts')
    .description(
      "Does a sidecar or a consumer grow? Every event is of a customer never seen before, and the consumers' times are shortened so " +
        'that ten minutes are a day: its dedup window and flush interval pass 144 times as often. Exits with 0 if the medians of all ' +
        'parts of the run after its warm-up are within 20 % of each other, for each process.',
    )
    .option('--customers <N>', 'how many', whole(1), 10_000_000)
    .option(
      '--minutes <N>',
      'the load is spread over them; it is slower where the consumers do not keep up',
      positive,
      10,
    )
    .option(
      '--without-consumers',
      'throw the queues away, so that the sidecar can be measured at a rate that no consumer keeps',
      false,
    )
    .examples('node scripts/lab/measure-memory.ts --customers 1000000 --minutes 5')
    .runs<CommandLine>(async (options) => {
      const nursery = await openNursery();
      try {
        return (await measure(nursery, options)) ? 0 : 1;
      } finally {
        await nursery.close();
      }
    });
}

async function measure(nursery: Nursery, { customers, minutes, withoutConsumers }: CommandLine): Promise<boolean> {
  const durationMs = minutes * 60_000;
  const withConsumers = !withoutConsumers;
  const stripe = await startForgetfulStripe(meter);
  const [broker, redis] = await Promise.all([startBroker({ nursery }), startRedis({ nursery })]);
  const cluster = await startCluster({
    nursery,
    amqpUrl: broker.url,
    redisUrl: redis.url,
    publishers: 1,
    consumers: withConsumers ? 1 : 0,
    shards,
    stripeApiBase: stripe.url,
    settings: {
      consumer: {
        TALLYMAN_FLUSH_INTERVAL_MS: String(Math.round(300_000 / dayPerRun)),
        TALLYMAN_DEDUP_WINDOW_MS: String(Math.round(3_600_000 / dayPerRun)),
        TALLYMAN_STRIPE_RATE_PER_S: '100000',
      },
    },
  });
  const stopDraining = withConsumers ? undefined : await drainQueues(broker.url, cluster.namespace, shards);
  const services = [...cluster.publishers, ...cluster.consumers];
  const [publisher] = cluster.publishers;
  if (publisher === undefined) throw new Error('there is no sidecar');

  const samples = new Map(services.map((service) => [service, [] as Sample[]]));
  const startedAt = performance.now();
  const elapsedMs = (): number => performance.now() - startedAt;
  const load = send({ publisher, customers, durationMs, elapsedMs }, () => (withConsumers ? stripe.taken : Infinity));
  let next = sampleEveryMs;
  while (elapsedMs() < durationMs) {
    await sleep(Math.max(0, next - elapsedMs()));
    next += sampleEveryMs;
    for (const [service, taken] of samples) {
      taken.push({ elapsedMs: elapsedMs(), bytes: (await service.metrics()).residentBytes });
    }
  }
  const sent = await load;
  await stopDraining?.();
  stripe.close();
  say(`${sent} customers in ${minutes} min, one event each; ${stripe.taken} billed.`);
  return services.map((service) => report(service, samples.get(service) ?? [], durationMs)).every((isFlat) => isFlat);
}

interface Load {
  readonly publisher: RunningService;
  readonly customers: number;
  readonly durationMs: number;
  readonly elapsedMs: () => number;
}

/** Resolves with how many customers had their event answered 202. */
async function send({ publisher, customers, durationMs, elapsedMs }: Load, billed: () => number): Promise<number> {
  const client = createClient({ url: publisher.url, requestsMax: 8 });
  let recorded = 0;
  while (recorded < customers && elapsedMs() < durationMs) {
    const due = Math.min(customers, Math.floor((customers * elapsedMs()) / durationMs));
    while (recorded < due && recorded - billed() < backlogMax) {
      const id = `memory-${recorded}`;
      if (!client.tryRecord({ customer: `cus_memory${recorded}`, meter, value: 1, id })) await client.drained();
      else recorded++;
    }
    await sleep(tickMs);
  }
  await client.close();
  return client.counts().durable;
}

function report(service: RunningService, samples: readonly Sample[], durationMs: number): boolean {
  const { medians, highest, ratio } = flatnessOf(samples, durationMs);
  const series = medians.map(mebibytes).join(' ');
  const isFlat = ratio <= ratioMax;
  const verdict = isFlat ? 'flat' : 'NOT FLAT';
  say(
    `${service.name}: ${verdict}. MiB after the first ${100 * warmUpShare} %: ${series}; ` +
      `largest over smallest ${ratio.toFixed(3)}; highest sample ${mebibytes(highest)}.`,
  );
  return isFlat;
}

function mebibytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(0);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

if (import.meta.main) await main(program());
