/** That the schemas find faults: a check that never fails proves nothing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { customFaultsOf } from './custom-resources.ts';
import { loadKubernetesSchema } from './kubernetes-schema.ts';
import { at, isMap, type Manifest, Renderer, whyNoKubectl } from './render.ts';

const gap = whyNoKubectl();
const schema = loadKubernetesSchema();

it.skipIf(gap !== undefined)(
  'a mistyped, a missing and a wrong field are found, so that no fault means something',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'tallyman-manifests-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const renderer = new Renderer(folder);
    const deployment = renderer
      .combination({ overlay: 'base', components: [] })
      .find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'tallyman-consumer');
    const spec = at(deployment, 'spec');
    const broken = {
      ...deployment!,
      spec: { ...(isMap(spec) ? spec : {}), replicas: 'three', strateggy: {}, selector: undefined },
    };
    const { selector: _, ...withoutSelector } = broken.spec;
    const faults = schema.faultsOf({ ...broken, spec: withoutSelector } as Manifest);
    expect(faults).toEqual([
      'Deployment tallyman-consumer (apps/v1).spec.selector is missing',
      expect.stringMatching(/spec\.replicas is "three", which is no number/),
      expect.stringMatching(/spec\.strateggy is no field of Kubernetes 1\.32/),
    ]);
    const scaled = renderer
      .combination({ overlay: 'base', components: ['keda'] })
      .find(({ kind }) => kind === 'ScaledObject');
    const wrong = { ...scaled!, spec: { maxReplicaCount: 'many', scaleTargetReff: {}, triggers: [] } } as Manifest;
    expect(customFaultsOf(wrong)?.join(' ')).toMatch(/nobody knows scaleTargetReff.*maxReplicaCount/s);
  },
);
