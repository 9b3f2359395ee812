import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../../shared/testing/until.ts';
import { audit, readLedger, type Verdict } from '../audit.ts';
import { lastLine, owedOf, type SendLine } from '../load/send-line.ts';
import { allowLabel, allowValue, type ChaosCluster } from './cluster.ts';
import { describeFault, type Fault, planFaults } from './plan.ts';

export interface ChaosOptions {
  readonly namespace: string;
  readonly events: number;
  readonly ratePerS: number;
  readonly faults: number;
  readonly seed: number;
}

export interface ChaosTimes {
  readonly lookEveryMs: number;
  readonly settleMs: number;
  /** How long Stripe's ledger has to stay what it is, once it is right: nothing may be billed late or twice. */
  readonly quietMs: number;
  /** Of the pauses in the plan. */
  readonly pace: number;
}

export const defaultTimes: ChaosTimes = { lookEveryMs: 1_000, settleMs: 900_000, quietMs: 30_000, pace: 1 };

/** The namespace does not allow it, or is not one in which it could be told how it ended. */
export class ChaosRefused extends Error {}

/**
 * Sends load, does to the cluster what the plan says, and audits. Whatever happens, nodes are uncordoned and the autoscaler has
 * its bounds back at the end.
 */
export async function causeChaos(
  cluster: ChaosCluster,
  options: ChaosOptions,
  say: (text: string) => void,
  times: ChaosTimes = defaultTimes,
): Promise<Verdict> {
  if (!(await cluster.isAllowed()))
    throw new ChaosRefused(
      `The namespace ${options.namespace} does not have the label ${allowLabel}=${allowValue}, so nothing was touched. Where pods may be killed: kubectl label namespace ${options.namespace} ${allowLabel}=${allowValue}`,
    );
  await cluster.ledger().catch((error: unknown) => {
    throw new ChaosRefused('There is no simulated Stripe to compare with (pod simulator-0), so nothing was touched.', {
      cause: error,
    });
  });
  const { events, ratePerS, seed, faults } = options;
  const before = readLedger(await cluster.ledger());
  if (before.totals.length > 0)
    throw new ChaosRefused(
      'The simulator holds usage already, which the audit could not tell from that of this run. Empty it: kubectl delete pod simulator-0',
    );
  const bounds = await cluster.consumerBounds();
  const load = `tallyman-chaos-${Date.now().toString(36)}`;
  const [atEnd, cordons] = [new Undo(), new Undo()];
  const look = async (): Promise<SendLine & { readonly phase: string }> => {
    const { phase, log } = await cluster.load(load);
    return { durable: 0, ...lastLine(log), phase };
  };

  say(`seed ${seed}: ${events} events at ${ratePerS}/s, ${faults} faults`);
  await cluster.startLoad(load, events, ratePerS);
  try {
    await until(async () => (await look()).durable > 0, { deadlineMs: times.settleMs, intervalMs: times.lookEveryMs });
    atEnd.later(() => cluster.setConsumerBounds(bounds));
    for (const { fault, afterMs } of planFaults(seed, faults)) {
      await sleep(afterMs * times.pace);
      // A cordon lasts until the next fault.
      await cordons.all();
      const { durable } = await look();
      say(`${String(durable).padStart(9)} durable  ${describeFault(fault)}: ${await cause(cluster, fault, cordons)}`);
    }
  } finally {
    try {
      await cordons.all();
    } finally {
      await atEnd.all();
    }
  }

  const sent = await until(
    async () => {
      const now = await look();
      if (now.phase === 'Failed') return undefined;
      return now.phase === 'Succeeded' && now;
    },
    { deadlineMs: times.settleMs, intervalMs: times.lookEveryMs },
  );
  if (sent === undefined) throw new Error(`The load broke off: kubectl logs ${load}`);
  const verdict = async (): Promise<Verdict> => audit(owedOf(sent), readLedger(await cluster.ledger()));
  say('everything is sent; waiting until it is billed');
  await until(async () => (await verdict()).differences.length === 0, {
    deadlineMs: times.settleMs,
    intervalMs: times.lookEveryMs,
  }).catch(() => undefined);
  await sleep(times.quietMs);
  return verdict();
}

/** What has to be made good, in any case. */
class Undo {
  #steps: (() => Promise<void>)[] = [];

  later(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  async all(): Promise<void> {
    const steps = this.#steps.reverse();
    this.#steps = [];
    const ended = await Promise.allSettled(steps.map((step) => step()));
    const failures = ended.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
    if (failures.length > 0)
      throw new AggregateError(failures, 'Not everything could be made good: see kubectl get nodes.');
  }
}

/** Answers what it was done to. */
async function cause(cluster: ChaosCluster, fault: Fault, cordons: Undo): Promise<string> {
  switch (fault.kind) {
    case 'delete': {
      const pod = anyOf(await cluster.pods(fault.role));
      if (pod === undefined) return 'there is none';
      await cluster.deletePod(pod.name, fault.grace);
      return pod.name;
    }
    case 'cordon': {
      const pod = anyOf((await cluster.pods('consumer')).filter(({ node }) => node !== undefined));
      if (pod?.node === undefined) return 'there is none';
      const { node } = pod;
      await cluster.setCordon(node, true);
      cordons.later(() => cluster.setCordon(node, false));
      await cluster.deletePod(pod.name, 'own');
      return `${node}, ${pod.name}`;
    }
    case 'scale':
      await cluster.setConsumerBounds({ least: fault.consumers, most: fault.consumers });
      return 'done';
  }
}

function anyOf<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)];
}
