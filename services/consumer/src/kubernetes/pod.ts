import { setTimeout as sleep } from 'node:timers/promises';
import type { CoreV1Api } from '@kubernetes/client-node';
import type { Logger } from '../../../../shared/log/log.ts';
import { costAnnotation, deletionCost } from './deletion-cost.ts';

/**
 * This consumer as a pod: notes on itself what it costs to delete it, so that scaling down takes the pod that holds least.
 * A convenience: whatever goes wrong with it is said once, and changes nothing else.
 */
export interface PodOptions {
  readonly name: string;
  readonly namespace: string;
  readonly messagesHeld: () => number;
  readonly log: Logger;
  /** Resolves with the API that the pod talks to; by default that of the cluster it runs in. */
  readonly connect?: () => Promise<CoreV1Api>;
  readonly everyMs?: number;
}

const defaultEveryMs = 30_000;
const timeoutMs = 10_000;

/** Goes on until `signal` is aborted. Never rejects. */
export async function noteDeletionCost(options: PodOptions, signal: AbortSignal): Promise<void> {
  const { name, namespace, messagesHeld, log, connect = connectInCluster, everyMs = defaultEveryMs } = options;
  let noted: number | undefined;
  let hasFailed = false;
  let api: CoreV1Api | undefined;
  while (!signal.aborted) {
    const cost = deletionCost(messagesHeld());
    try {
      if (cost !== noted) {
        api ??= await connect();
        const body = { metadata: { annotations: { [costAnnotation]: String(cost) } } };
        await within(timeoutMs, signal, api.patchNamespacedPod({ name, namespace, body }, await mergePatch()));
        noted = cost;
      }
      if (hasFailed) log.info({ pod: name }, 'The deletion cost of this pod is noted again.');
      hasFailed = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!hasFailed)
        log.warn(
          { error, pod: name },
          'The deletion cost of this pod could not be noted, so scaling down may take a pod that holds more than others; no usage is lost by that. Check the role of its service account (patch pods) and its way to the API server.',
        );
      hasFailed = true;
      // The address or the credentials may be others by now.
      api = undefined;
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

// Imported only where there is a cluster: the client is large.
async function connectInCluster(): Promise<CoreV1Api> {
  const { CoreV1Api, KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromCluster();
  return config.makeApiClient(CoreV1Api);
}

async function mergePatch() {
  const { PatchStrategy, setHeaderOptions } = await import('@kubernetes/client-node');
  return setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
}

function within<T>(limitMs: number, signal: AbortSignal, work: Promise<T>): Promise<T> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  return Promise.race([
    work,
    new Promise<never>((_, reject) => {
      limit.addEventListener('abort', () => reject(limit.reason as Error), { once: true });
    }),
  ]);
}
