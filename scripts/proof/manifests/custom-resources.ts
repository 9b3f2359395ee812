import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { TriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1/TriggerAuthentication';
import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor';
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { isMap, type Manifest } from './render.ts';

/**
 * What KEDA and the Prometheus operator define: checked by the validators that @kubernetes-models generates from their
 * definitions (types, required fields, patterns). Those ignore fields they do not know, so each field's name has to occur in
 * their code besides: a mistyped one does not.
 */
const models: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  ScaledObject,
  TriggerAuthentication,
  PrometheusRule,
  ServiceMonitor,
  PodMonitor,
};
/** Below these everything is a name of ours, or (`behavior`) of Kubernetes. */
const freeMaps: ReadonlySet<string> = new Set(['metadata', 'labels', 'annotations', 'matchLabels', 'behavior']);

/** Undefined: a kind that is none of theirs. */
export function customFaultsOf(manifest: Manifest): readonly string[] | undefined {
  const Model = models[manifest.kind];
  if (Model === undefined) return undefined;
  const name = `${manifest.kind} ${manifest.metadata.name}`;
  const faults = unknownNames(manifest, sourceOf(manifest.apiVersion)).map((field) => `${name}: nobody knows ${field}`);
  try {
    new Model(manifest as never).validate();
  } catch (error) {
    faults.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return faults;
}

function unknownNames(value: unknown, source: string): string[] {
  if (Array.isArray(value)) return value.flatMap((element) => unknownNames(element, source));
  if (!isMap(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(new RegExp(`\\b${key}\\b`).test(source) ? [] : [key]),
    ...(freeMaps.has(key) ? [] : unknownNames(inner, source)),
  ]);
}

const sources = new Map<string, string>();

function sourceOf(apiVersion: string): string {
  const known = sources.get(apiVersion);
  if (known !== undefined) return known;
  const name = apiVersion.startsWith('keda.sh') ? 'keda' : 'prometheus-operator';
  const require = createRequire(import.meta.url);
  const folder = join(dirname(require.resolve(`@kubernetes-models/${name}/package.json`)), '_schemas');
  const files = readdirSync(folder).filter((file) => file.endsWith('.js'));
  // Of Kubernetes' own types that these refer to.
  const referred = 'apiVersion kind metadata matchLabels matchExpressions key operator values name';
  const source = `${files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n')} ${referred}`;
  sources.set(apiVersion, source);
  return source;
}
