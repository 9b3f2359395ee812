/** What an application gets by the one line that includes the sidecar component. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadKubernetesSchema } from './kubernetes-schema.ts';
import { at, environmentOf, listAt, podOf, Renderer, whyNoKubectl } from './render.ts';

const schema = loadKubernetesSchema();
const gap = whyNoKubectl();

describe.skipIf(gap !== undefined)('the sidecar component', () => {
  let folder: string;
  let renderer: Renderer;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tallyman-manifests-'));
    renderer = new Renderer(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const application = (name: string, more: object = {}, labels: object = {}) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'app', image: 'shop:1', volumeMounts: [] }], ...more },
      },
    },
  });
  const include = (...deployments: readonly object[]) => {
    const files = Object.fromEntries(deployments.map((deployment, index) => [`app-${index}.yaml`, deployment]));
    return renderer.kustomization({ resources: Object.keys(files), components: ['../k8s/components/sidecar'] }, files);
  };

  it('is one line for any Deployment: before its own init containers, and nothing else of it changes', () => {
    const [shop] = include(application('shop', { initContainers: [{ name: 'migrate', image: 'shop:1' }] }));
    expect(schema.faultsOf(shop!)).toEqual([]);
    const names = listAt(podOf(shop!), 'initContainers').map((container) => at(container, 'name'));
    expect(names).toEqual(['tallyman-spool', 'tallyman-publisher', 'migrate']);
    expect(listAt(podOf(shop!), 'containers')).toMatchObject([{ name: 'app', image: 'shop:1' }]);
    expect(listAt(podOf(shop!), 'initContainers')[1]).toMatchObject({ restartPolicy: 'Always' });
  });

  it('is probed at its admin address, listens for usage on loopback only, and never makes the application unready', () => {
    const [shop] = include(application('shop'));
    const sidecar = listAt(podOf(shop!), 'initContainers')[1];
    const env = environmentOf(sidecar);
    expect([env.get('TALLYMAN_HOST'), env.get('TALLYMAN_ADMIN_HOST')]).toEqual([undefined, '0.0.0.0']);
    expect(at(sidecar, 'readinessProbe')).toBeUndefined();
    const port = listAt(sidecar, 'ports').find((one) => at(one, 'name') === at(sidecar, 'livenessProbe.httpGet.port'));
    expect(String(at(port, 'containerPort'))).toBe(env.get('TALLYMAN_ADMIN_PORT'));
  });

  it('keeps its spool on the node, in a folder of the pod that no other pod sees', () => {
    const [shop] = include(application('shop'));
    const pod = podOf(shop!);
    expect(listAt(pod, 'volumes')).toContainEqual({
      name: 'tallyman-spool',
      hostPath: { path: '/var/lib/tallyman/spool', type: 'DirectoryOrCreate' },
    });
    for (const container of listAt(pod, 'initContainers')) {
      const mounts = listAt(container, 'volumeMounts').filter((mount) => at(mount, 'name') === 'tallyman-spool');
      expect(mounts).toEqual([{ name: 'tallyman-spool', mountPath: '/spool', subPathExpr: '$(POD_UID)' }]);
    }
  });

  it('leaves a Deployment alone that says so, and brings no policy that could cut off the application', () => {
    const manifests = include(application('shop'), application('other', {}, { 'tallyman/sidecar': 'off' }));
    expect(manifests.map(({ kind }) => kind)).toEqual(['Deployment', 'Deployment']);
    const other = manifests.find(({ metadata }) => metadata.name === 'other');
    expect(listAt(podOf(other!), 'initContainers')).toEqual([]);
  });

  it('trusts a CA of your own with one line more', () => {
    const components = ['sidecar', 'sidecar-private-ca'].map((name) => `../k8s/components/${name}`);
    const files = { 'app.yaml': application('shop', { initContainers: [{ name: 'migrate', image: 'shop:1' }] }) };
    const [shop] = renderer.kustomization({ resources: ['app.yaml'], components }, files);
    expect(schema.faultsOf(shop!)).toEqual([]);
    const containers = listAt(podOf(shop!), 'initContainers');
    expect(containers.map((container) => at(container, 'name'))).toEqual([
      'tallyman-spool',
      'tallyman-publisher',
      'migrate',
    ]);
    expect(containers.map((container) => environmentOf(container).get('TALLYMAN_CA_FILE'))).toEqual([
      undefined,
      '/secrets/tallyman/ca.crt',
      undefined,
    ]);
  });

  // TALLYMAN_METERS_FILE could be set, and nothing put the file into the pod.
  it('takes the meters of a ConfigMap with one line more, and sees it change', () => {
    const components = ['sidecar', 'sidecar-meters'].map((name) => `../k8s/components/${name}`);
    const files = { 'app.yaml': application('shop', { initContainers: [{ name: 'migrate', image: 'shop:1' }] }) };
    const [shop] = renderer.kustomization({ resources: ['app.yaml'], components }, files);
    expect(schema.faultsOf(shop!)).toEqual([]);
    const containers = listAt(podOf(shop!), 'initContainers');
    expect(containers.map((container) => at(container, 'name'))).toEqual([
      'tallyman-spool',
      'tallyman-publisher',
      'migrate',
    ]);
    const read = containers.map((container) => environmentOf(container).get('TALLYMAN_METERS_FILE'));
    expect(read).toEqual([undefined, '/meters/tallyman/meters.yaml', undefined]);
    const mounts = listAt(containers[1], 'volumeMounts');
    // Without subPath, which would keep the file as it was when the pod started.
    expect(mounts).toContainEqual({ name: 'tallyman-meters', mountPath: '/meters/tallyman', readOnly: true });
    expect(mounts).toHaveLength(3);
    expect(listAt(podOf(shop!), 'volumes')).toContainEqual({
      name: 'tallyman-meters',
      configMap: { name: 'tallyman-meters' },
    });
  });

  it("gives the same meters to the node's publisher, and not to what sweeps spools", () => {
    const manifests = renderer.combination({ overlay: 'overlays/production', components: ['meters'] });
    const publisher = manifests.find(({ kind }) => kind === 'DaemonSet');
    expect(schema.faultsOf(publisher!)).toEqual([]);
    const containers = listAt(podOf(publisher!), 'containers');
    const read = containers.map((container) => environmentOf(container).get('TALLYMAN_METERS_FILE'));
    expect(read).toEqual(['/meters/meters.yaml', undefined]);
    expect(environmentOf(containers[0]).get('AMQP_URL_FILE')).toBe('/secrets/AMQP_URL');
    expect(listAt(containers[0], 'volumeMounts')).toContainEqual({
      name: 'meters',
      mountPath: '/meters',
      readOnly: true,
    });
    expect(listAt(podOf(publisher!), 'volumes')).toContainEqual({
      name: 'meters',
      configMap: { name: 'tallyman-meters' },
    });
  });
});
