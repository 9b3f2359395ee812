import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../../../shared/log/log.ts';
import { type ApiServer, inCluster, patchPod, type PodName } from './api-server.ts';
import { costAnnotation, deletionCost } from './deletion-cost.ts';

/**
 * This consumer as a pod: notes on itself what it costs to delete it, so that scaling down takes the pod that holds least.
 * A convenience: whatever goes wrong with it is said once, and changes nothing else.
 */
export interface PodOptions extends PodName {
  readonly messagesHeld: () => number;
  readonly log: Logger;
  /** By default that of the cluster it runs in. */
  readonly api?: ApiServer;
  readonly everyMs?: number;
}

const defaultEveryMs = 30_000;
const timeoutMs = 10_000;

/** Goes on until `signal` is aborted. Never rejects. */
export async function noteDeletionCost(options: PodOptions, signal: AbortSignal): Promise<void> {
  const { name, messagesHeld, log, api = inCluster, everyMs = defaultEveryMs } = options;
  let noted: number | undefined;
  let hasFailed = false;
  while (!signal.aborted) {
    const cost = deletionCost(messagesHeld());
    try {
      if (cost !== noted) {
        const patch = { metadata: { annotations: { [costAnnotation]: String(cost) } } };
        await patchPod(api, options, patch, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
        noted = cost;
      }
      if (hasFailed) log.info({ pod: name }, 'The deletion cost of this pod is noted again.');
      hasFailed = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!hasFailed)
        log.warn(
          { error, pod: name },
          'The deletion cost of this pod could not be noted, so scaling down may take a pod that holds more than others; no usage is lost by that. Check the role of its service account (patch pods) and its route to the API server.',
        );
      hasFailed = true;
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
