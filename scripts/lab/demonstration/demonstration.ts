import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Nursery } from '../../../shared/testing/nursery.ts';
import { startCluster, type Cluster } from '../cluster/cluster.ts';
import { simulatorMeters } from '../load/catalogue.ts';
import { startLoad, type Load, type Sent } from '../load/load.ts';
import { causeChaos, type Killing } from './chaos.ts';
import { assertHealthy } from './health.ts';
import { Observer } from './observer.ts';
import type { DemoOptions } from './options.ts';
import { announce, type Outcome } from './report.ts';
import type { Screen } from './screen.ts';
import { awaitSettlement, settle } from './settlement.ts';
import { type AtEnd, openSurroundings } from './surroundings.ts';

/** Flushes every few seconds and fails over in a few: nobody watches a demo for the five minutes of production. */
const consumerSettings = {
  TALLYMAN_FLUSH_INTERVAL_MS: '3000',
  TALLYMAN_LEASE_MS: '5000',
  TALLYMAN_STRIPE_RATE_PER_S: '1000',
};
const simulatorSettings = {
  TALLYMAN_SIM_METERS: simulatorMeters,
  TALLYMAN_SIM_LATENCY: 'lognormal:30:150',
  TALLYMAN_SIM_RATE_PER_S: '1000',
};
/** The services' own, so that what the documents say can be pasted. */
const ports = { publisher: 7070, consumer: 7071, 'stripe-simulator': 7073 };
const lookEveryMs = 500;
const standstillMaxMs = 120_000;

/** Brings up everything there is. What is started is the nursery's, the rest is told to `atEnd`. */
export async function bringUp(options: DemoOptions, nursery: Nursery, screen: Screen, atEnd: AtEnd): Promise<Cluster> {
  screen.note('starting broker, Redis and a simulated Stripe ...');
  const namespace = `demo-${randomBytes(4).toString('hex')}`;
  const { external } = options;
  const { amqpUrl, redisUrl, stripe, description } = await openSurroundings({ external, namespace, nursery }, atEnd);
  screen.note(announce(options, description, nursery.folder));
  return startCluster({
    nursery,
    namespace,
    amqpUrl,
    redisUrl,
    publishers: options.publishers,
    consumers: options.consumers,
    ports,
    ...(stripe === undefined ? {} : { stripeApiBase: stripe.base, stripeApiKey: stripe.key }),
    settings: { consumer: consumerSettings, simulator: simulatorSettings },
  });
}

/** Sends the load, waits until it is billed, and audits. Without `keep` the cluster has drained at the end. */
export async function demonstrate(options: DemoOptions, cluster: Cluster, screen: Screen): Promise<Outcome> {
  const observer = new Observer(cluster);
  const load = startLoad({
    targets: cluster.publishers.map(({ url }) => url),
    events: options.events,
    customers: options.customers,
    ratePerS: options.ratePerS,
  });
  const [sent, killings] = await Promise.all([
    showUntilSent(cluster, observer, load, screen),
    options.chaos ? causeChaos(cluster, load, options.events, (text) => screen.note(text)) : ([] as readonly Killing[]),
  ]);
  const { progress } = load;
  const loadMs = observer.elapsedMs;

  const base = cluster.stripeApiBase;
  let settlement = await awaitSettlement(observer, { base, sent, progress }, async (snapshot) => {
    screen.show(snapshot);
    await assertHealthy(cluster);
  });
  const totalMs = observer.elapsedMs;
  screen.end();
  if (!options.keep) {
    // Once nobody runs, nothing can be billed late or twice any more: only then is the audit final.
    await cluster.drain();
    settlement = await settle(base, sent);
  }
  return { ...settlement, sent, progress, killings, loadMs, totalMs };
}

async function showUntilSent(cluster: Cluster, observer: Observer, load: Load, screen: Screen): Promise<Sent> {
  const done = new AbortController();
  async function showAlong(): Promise<void> {
    let [durable, movedAt] = [0, observer.elapsedMs];
    while (!done.signal.aborted) {
      const snapshot = await observer.look(load.progress);
      screen.show(snapshot);
      await assertHealthy(cluster);
      if (snapshot.durable > durable) [durable, movedAt] = [snapshot.durable, snapshot.elapsedMs];
      if (snapshot.elapsedMs - movedAt > standstillMaxMs) {
        throw new Error(`no sidecar has answered 202 for ${standstillMaxMs / 1_000} s; ${durable} events are durable`);
      }
      await sleep(lookEveryMs, undefined, { signal: done.signal }).catch(() => undefined);
    }
  }
  try {
    const [sent] = await Promise.all([load.finished.finally(() => done.abort()), showAlong()]);
    return sent;
  } finally {
    done.abort();
    await load.stop();
  }
}
