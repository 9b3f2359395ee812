import {
  AppsV1Api,
  AutoscalingV2Api,
  CoreV1Api,
  type KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1Pod,
} from '@kubernetes/client-node';
import type { Role } from './plan.ts';

/** A cluster with Tallyman in one of its namespaces, as chaos sees it and acts on it. */
export class ChaosCluster {
  readonly #core: CoreV1Api;
  readonly #apps: AppsV1Api;
  readonly #autoscaling: AutoscalingV2Api;
  readonly #namespace: string;

  constructor(config: KubeConfig, namespace: string) {
    this.#core = config.makeApiClient(CoreV1Api);
    this.#apps = config.makeApiClient(AppsV1Api);
    this.#autoscaling = config.makeApiClient(AutoscalingV2Api);
    this.#namespace = namespace;
  }

  /** Whoever owns the namespace has said that pods may be killed in it. */
  async isAllowed(): Promise<boolean> {
    const { metadata } = await this.#core.readNamespace({ name: this.#namespace });
    return metadata?.labels?.[allowLabel] === allowValue;
  }

  /** Pods that are not being deleted. */
  async pods(role: Role): Promise<readonly ChaosPod[]> {
    const labelSelector = `app.kubernetes.io/name=${labels[role]}`;
    const { items } = await this.#core.listNamespacedPod({ namespace: this.#namespace, labelSelector });
    return items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined).map(podOf);
  }

  async deletePod(name: string, grace: 'own' | 'none'): Promise<void> {
    const seconds = grace === 'none' ? { gracePeriodSeconds: 0 } : {};
    await this.#core.deleteNamespacedPod({ name, namespace: this.#namespace, ...seconds });
  }

  async setCordon(node: string, unschedulable: boolean): Promise<void> {
    await this.#core.patchNode({ name: node, body: { spec: { unschedulable } } }, mergePatch);
  }

  /** Of the autoscaler, which would undo what is set past it. */
  async consumerBounds(): Promise<Bounds> {
    const { spec } = await this.#autoscaling.readNamespacedHorizontalPodAutoscaler(this.#autoscaler());
    return { least: spec?.minReplicas ?? 1, most: spec?.maxReplicas ?? 1 };
  }

  async setConsumerBounds({ least, most }: Bounds): Promise<void> {
    const body = { spec: { minReplicas: least, maxReplicas: most } };
    await this.#autoscaling.patchNamespacedHorizontalPodAutoscaler({ ...this.#autoscaler(), body }, mergePatch);
  }

  /** A pod that sends events to the publishers' Service and prints its books; it is nobody's to kill. */
  async startLoad(name: string, events: number, ratePerS: number): Promise<void> {
    // The product's image cannot send; the simulator's can.
    const simulator = { name: 'simulator', namespace: this.#namespace };
    const { spec } = await this.#apps.readNamespacedStatefulSet(simulator);
    const image = spec?.template.spec?.containers[0]?.image;
    if (image === undefined) throw new Error('The StatefulSet simulator names no image that could send.');
    const target = `http://tallyman-publisher.${this.#namespace}:7070`;
    await this.#core.createNamespacedPod({
      namespace: this.#namespace,
      body: {
        metadata: { name, labels: { 'app.kubernetes.io/name': 'tallyman-chaos' } },
        spec: {
          restartPolicy: 'Never',
          enableServiceLinks: false,
          automountServiceAccountToken: false,
          securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: 'load',
              image,
              args: ['scripts/lab/load/send.ts', String(events), String(ratePerS), target],
              env: [
                {
                  name: 'TALLYMAN_TOKEN',
                  valueFrom: { secretKeyRef: { name: 'tallyman-token', key: 'TALLYMAN_TOKEN' } },
                },
              ],
              resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '512Mi' } },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
            },
          ],
        },
      },
    });
  }

  async load(name: string): Promise<{ readonly phase: string; readonly log: string }> {
    const pod = await this.#core.readNamespacedPod({ name, namespace: this.#namespace });
    const phase = pod.status?.phase ?? 'Unknown';
    const log = phase === 'Pending' ? '' : await this.#core.readNamespacedPodLog({ name, namespace: this.#namespace });
    return { phase, log };
  }

  /** What the simulator holds, asked through the API server. */
  async ledger(): Promise<unknown> {
    const name = 'simulator-0:7073';
    const text: unknown = await this.#core.connectGetNamespacedPodProxyWithPath({
      name,
      namespace: this.#namespace,
      path: '_sim/ledger',
    });
    return typeof text === 'string' ? (JSON.parse(text) as unknown) : text;
  }

  #autoscaler() {
    return { name: 'tallyman-consumer', namespace: this.#namespace };
  }
}

export interface ChaosPod {
  readonly name: string;
  readonly node: string | undefined;
  readonly isReady: boolean;
}

/** How many consumers the autoscaler may run. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

export const allowLabel = 'tallyman/chaos';
export const allowValue = 'allowed';

const labels: Readonly<Record<Role, string>> = {
  consumer: 'tallyman-consumer',
  publisher: 'tallyman-publisher',
  broker: 'broker',
};
const mergePatch = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);

function podOf({ metadata, spec, status }: V1Pod): ChaosPod {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return { name: metadata?.name ?? '', node: spec?.nodeName, isReady: ready?.status === 'True' };
}
