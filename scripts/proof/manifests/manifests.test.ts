/**
 * What `kubectl apply` would send, for every overlay with every set of components: valid for Kubernetes 1.32, for KEDA and the
 * Prometheus operator, and with the properties that keep usage. Needs kubectl; says so where there is none.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allSettings } from '../../../shared/config/settings.ts';
import { imageFiles } from '../image/image-files.ts';
import { codeOf, metricsIn } from '../check/service-code.ts';
import { customFaultsOf } from './custom-resources.ts';
import { loadKubernetesSchema } from './kubernetes-schema.ts';
import {
  at,
  type Combination,
  environmentOf,
  listAt,
  type Manifest,
  podOf,
  Renderer,
  textAt,
  whyNoKubectl,
} from './render.ts';

const root = resolve(import.meta.dirname, '../../..');
const gap = whyNoKubectl();
if (gap !== undefined) console.warn(`NOT TRIED, the manifests in k8s/: ${gap}.`);

const combinations: readonly Combination[] = [
  // Both overlays have the node publisher already.
  ...['overlays/development', 'overlays/production'].flatMap((overlay) =>
    subsets(['keda', 'prometheus', 'private-ca']).map((components) => ({ overlay, components })),
  ),
  ...subsets(['keda', 'prometheus', 'node-publisher']).map((components) => ({ overlay: 'base', components })),
];
const schema = loadKubernetesSchema();

function subsets(names: readonly string[]): readonly (readonly string[])[] {
  return names.reduce<readonly (readonly string[])[]>(
    (sets, name) => [...sets, ...sets.map((set) => [...set, name])],
    [[]],
  );
}

const isAutoscaler = ({ kind }: Manifest): boolean => kind === 'HorizontalPodAutoscaler';

function containersOf(manifest: Manifest): readonly unknown[] {
  return [...listAt(podOf(manifest), 'initContainers'), ...listAt(podOf(manifest), 'containers')];
}

function isOurs(container: unknown): boolean {
  return textAt(container, 'image').includes('tallyman');
}

describe.skipIf(gap !== undefined)('manifests', () => {
  let folder: string;
  let renderer: Renderer;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tallyman-manifests-'));
    renderer = new Renderer(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  describe.each(combinations)('$overlay with $components', (combination) => {
    let manifests: readonly Manifest[];
    beforeAll(() => {
      manifests = renderer.combination(combination);
    });
    const ofKind = (kind: string) => manifests.filter((manifest) => manifest.kind === kind);
    const workloads = () => manifests.filter((manifest) => podOf(manifest) !== undefined);
    const consumer = () =>
      manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'tallyman-consumer');
    const shards = () => Number(at(ofKind('ConfigMap')[0], 'data.TALLYMAN_SHARDS'));

    it('is valid: Kubernetes 1.32, KEDA, Prometheus operator', () => {
      expect(manifests.length).toBeGreaterThan(8);
      const faults = manifests.flatMap(
        (manifest) =>
          schema.faultsOf(manifest) ?? customFaultsOf(manifest) ?? [`nobody knows the kind ${manifest.kind}`],
      );
      expect(faults).toEqual([]);
    });

    it('has one autoscaler on the consumers, with a consumer per shard at most, that waits longer than two flushes', () => {
      const autoscalers = [...ofKind('HorizontalPodAutoscaler'), ...ofKind('ScaledObject')].filter(
        (scaler) => at(scaler, 'spec.scaleTargetRef.name') === 'tallyman-consumer',
      );
      expect(autoscalers).toHaveLength(1);
      const [scaler] = autoscalers;
      expect(scaler?.kind).toBe(combination.components.includes('keda') ? 'ScaledObject' : 'HorizontalPodAutoscaler');
      expect(at(scaler, 'spec.maxReplicas') ?? at(scaler, 'spec.maxReplicaCount')).toBe(shards());
      const behavior =
        at(scaler, 'spec.behavior') ?? at(scaler, 'spec.advanced.horizontalPodAutoscalerConfig.behavior');
      expect(at(behavior, 'scaleDown.stabilizationWindowSeconds')).toBeGreaterThan(2 * 300);
      expect(listAt(behavior, 'scaleDown.policies')).toMatchObject([{ type: 'Pods', value: 1 }]);
      const [plain] = renderer.combination({ overlay: 'base', components: [] }).filter(isAutoscaler);
      expect(behavior, 'KEDA behaves as the autoscaler that it replaces').toEqual(at(plain, 'spec.behavior'));
      expect(at(consumer(), 'spec.replicas'), 'a number here would fight with the autoscaler').toBeUndefined();
    });

    it('gives every service more time to end than it takes to drain', () => {
      for (const workload of workloads()) {
        const graceMs = 1_000 * Number(at(podOf(workload), 'terminationGracePeriodSeconds') ?? 30);
        for (const container of containersOf(workload)) {
          const isService = listAt(container, 'args').some((arg) => String(arg).startsWith('services/'));
          if (!isService) continue;
          const drainMs = Number(environmentOf(container).get('TALLYMAN_DRAIN_MS') ?? 25_000);
          expect(graceMs, workload.metadata.name).toBeGreaterThan(drainMs + 3_000);
        }
      }
    });

    it('has no variables of Services, no token nobody uses, no root, no writing in any pod of ours', () => {
      for (const workload of workloads()) {
        const pod = podOf(workload);
        const name = workload.metadata.name;
        expect(at(pod, 'enableServiceLinks'), name).toBe(false);
        if (name !== 'tallyman-consumer') expect(at(pod, 'automountServiceAccountToken'), name).toBe(false);
        for (const container of containersOf(workload).filter(isOurs)) {
          const where = `${name}/${textAt(container, 'name')}`;
          expect(at(container, 'securityContext'), where).toMatchObject({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
          const runAsNonRoot = at(container, 'securityContext.runAsNonRoot') ?? at(pod, 'securityContext.runAsNonRoot');
          // Only what gives a folder of the node away has to be root, and has the right to do just that.
          const givesAway = listAt(container, 'securityContext.capabilities.add').includes('CHOWN');
          expect(runAsNonRoot, where).toBe(!givesAway);
          if (givesAway) expect(listAt(pod, 'initContainers')).toContain(container);
        }
      }
    });

    it('mounts folders of the node only where the namespace admits them', () => {
      const admitted = ofKind('Namespace')[0]?.metadata.labels?.['pod-security.kubernetes.io/enforce'];
      const volumes = workloads().flatMap((workload) => listAt(podOf(workload), 'volumes'));
      const onNode = volumes.filter((volume) => at(volume, 'hostPath') !== undefined);
      expect(admitted).toBe(onNode.length > 0 ? 'privileged' : 'restricted');
    });

    it('says for every container what it needs, and bounds its memory', () => {
      for (const workload of workloads()) {
        for (const container of containersOf(workload)) {
          const where = `${workload.metadata.name}/${textAt(container, 'name')}`;
          expect(at(container, 'resources.requests.cpu'), where).toBeDefined();
          expect(at(container, 'resources.requests.memory'), where).toBeDefined();
          expect(at(container, 'resources.limits.memory'), where).toBeDefined();
        }
      }
    });

    it('sets only settings that exist, and runs only programs that exist', () => {
      const names = allSettings.flatMap(({ name, hasFile }) => (hasFile ? [name, `${name}_FILE`] : [name]));
      const known = new Set([...names, 'POD_UID']);
      const fromMaps = ofKind('ConfigMap').flatMap((map) => Object.keys(at(map, 'data') ?? {}));
      const used = workloads().flatMap((workload) =>
        containersOf(workload)
          .filter(isOurs)
          .flatMap((container) => [...environmentOf(container).keys()]),
      );
      expect([...used, ...fromMaps].filter((name) => !known.has(name))).toEqual([]);
      const missing = workloads()
        .flatMap((workload) => containersOf(workload).filter(isOurs))
        .map((container) => [textAt(container, 'image'), String(listAt(container, 'args')[0])] as const)
        .filter(([image, program]) => program !== '--eval' && !filesOf(image).includes(program));
      expect(missing).toEqual([]);
    });

    it('gives a CA of your own to everything that connects, and only if asked to', () => {
      const asked = combination.components.includes('private-ca');
      const connecting = workloads()
        .flatMap((workload) => containersOf(workload).filter(isOurs))
        .filter((container) => environmentOf(container).has('AMQP_URL_FILE'))
        // Of an application the sidecar is its own kustomization's.
        .filter((container) => at(container, 'name') !== 'tallyman-publisher');
      expect(connecting.length).toBeGreaterThan(2);
      for (const container of connecting) {
        // Beside the addresses: the secret of each role has the certificate as its key ca.crt.
        expect(environmentOf(container).get('TALLYMAN_CA_FILE')).toBe(asked ? '/secrets/ca.crt' : undefined);
        expect(environmentOf(container).get('AMQP_URL_FILE')).toBe('/secrets/AMQP_URL');
      }
    });

    it('lets consumers out to broker, Redis, DNS, Stripe and the API server, and only metrics in', () => {
      const policies = ofKind('NetworkPolicy');
      const policy = policies.find(({ metadata }) => metadata.name === 'tallyman-consumer');
      expect(at(policy, 'spec.policyTypes')).toEqual(['Ingress', 'Egress']);
      const ingress = listAt(policy, 'spec.ingress');
      expect(ingress).toHaveLength(1);
      expect(listAt(ingress[0], 'ports')).toEqual([{ port: 'http' }]);
      expect(portsOf(policy)).toEqual([53, 443, 5671, 6379, 6443]);
      expect(toAnywhere(policy)).toEqual([443]);
    });

    it('lets the node publisher out to broker and DNS only, and puts no policy on applications', () => {
      const policies = ofKind('NetworkPolicy');
      const nodePublisher = policies.find(({ metadata }) => metadata.name === 'tallyman-publisher');
      if (ofKind('DaemonSet').length > 0) {
        expect(portsOf(nodePublisher)).toEqual([53, 5671]);
        expect(toAnywhere(nodePublisher)).toEqual([]);
      }
      const selectors = policies.map((manifest) => JSON.stringify(at(manifest, 'spec.podSelector')));
      expect(selectors.filter((selector) => !selector.includes('tallyman-'))).toEqual([]);
    });

    it('lets a consumer patch pods, and nobody anything else', () => {
      expect(ofKind('Role').map((role) => listAt(role, 'rules'))).toEqual([
        [{ apiGroups: [''], resources: ['pods'], verbs: ['patch'] }],
      ]);
      expect(ofKind('ClusterRole')).toEqual([]);
    });

    it('keeps disruptions to one consumer at a time, and spreads them over zones and nodes', () => {
      expect(at(ofKind('PodDisruptionBudget')[0], 'spec.maxUnavailable')).toBe(1);
      const keys = listAt(podOf(consumer() ?? manifests[0]!), 'topologySpreadConstraints').map((one) =>
        at(one, 'topologyKey'),
      );
      expect(keys).toEqual(['topology.kubernetes.io/zone', 'kubernetes.io/hostname']);
    });

    it('never kills a service for its readiness', () => {
      const probed = workloads()
        .flatMap((workload) => containersOf(workload).filter(isOurs))
        .map((container) => at(container, 'livenessProbe.httpGet.path'));
      expect(new Set(probed.filter((path) => path !== undefined))).toEqual(new Set(['/healthz']));
    });

    it('alerts on and scales by metrics that exist, each alert with a line for whoever is woken', () => {
      const metrics = new Set(
        ['publisher', 'consumer'].flatMap((name) => metricsIn(codeOf(join(root, 'services', name)))),
      );
      const rules = ofKind('PrometheusRule').flatMap((rule) =>
        listAt(rule, 'spec.groups').flatMap((group) => listAt(group, 'rules')),
      );
      const queries = [
        ...rules.map((rule) => textAt(rule, 'expr')),
        ...ofKind('ScaledObject').flatMap((scaler) =>
          listAt(scaler, 'spec.triggers').map((trigger) => textAt(trigger, 'metadata.query')),
        ),
      ];
      const used = queries.flatMap((query) => [...query.matchAll(/\btallyman_\w+/g)].map(([name]) => name));
      expect(used.filter((name) => !metrics.has(name))).toEqual([]);
      if (combination.components.includes('prometheus')) {
        expect(rules.length).toBeGreaterThan(5);
        expect(rules.filter((rule) => textAt(rule, 'annotations.runbook').length < 40)).toEqual([]);
        const unowned = rules.find((rule) => at(rule, 'alert') === 'TallymanUnownedShard');
        expect(at(unowned, 'expr')).toMatch(new RegExp(`< ${shards()}$`));
        // An alert for shards without an owner fired all the time: its sum had the label namespace, so that `or vector(0)`
        // stood beside it instead of taking its place where nobody reports.
        const orZero = rules.map((rule) => textAt(rule, 'expr')).filter((expr) => expr.includes('or vector(0)'));
        expect(orZero).toHaveLength(1);
        expect(orZero.filter((expr) => expr.includes(' by '))).toEqual([]);
      }
    });

    it('says of every image which one it is, so that a node takes what it has', () => {
      if (combination.overlay === 'base') return;
      const images = workloads().flatMap((workload) => containersOf(workload).map((one) => textAt(one, 'image')));
      expect(images.filter((image) => !/[^/]:(?!latest$)[\w.-]+$/.test(image))).toEqual([]);
    });

    it('has no secret in production, and no broker, Redis or simulator', () => {
      if (combination.overlay !== 'overlays/production') return;
      expect(ofKind('Secret')).toEqual([]);
      expect(ofKind('StatefulSet')).toEqual([]);
    });
  });
});

const held = { product: imageFiles('product', root), laboratory: imageFiles('laboratory', root) };

function filesOf(image: string): readonly string[] {
  return image.includes('tallyman-laboratory') ? held.laboratory : held.product;
}

function portsOf(policy: Manifest | undefined): readonly unknown[] {
  const ports = listAt(policy, 'spec.egress').flatMap((rule) =>
    listAt(rule, 'ports').map((one) => Number(at(one, 'port'))),
  );
  return [...new Set(ports)].sort((left, right) => left - right);
}

/** Ports to which everything is open. */
function toAnywhere(policy: Manifest | undefined): readonly unknown[] {
  const open = listAt(policy, 'spec.egress').filter((rule) => at(rule, 'to') === undefined);
  return open.flatMap((rule) => listAt(rule, 'ports').map((one) => at(one, 'port')));
}
