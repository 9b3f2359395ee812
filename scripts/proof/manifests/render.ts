import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';

/** A Kubernetes object as it would be applied. What is in it is looked at by `at`, and checked by the schemas. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

/** Which overlay with which components on top. */
export interface Combination {
  readonly overlay: string;
  readonly components: readonly string[];
}

const leastMinor = 21;
const outputBytesMax = 16 * 1024 ** 2;
const kubernetesFolder = resolve(import.meta.dirname, '../../../k8s');

/** Why `kubectl kustomize` cannot be run here, or undefined. Before 1.21 it knows no components. */
export function whyNoKubectl(): string | undefined {
  const { stdout, status } = spawnSync('kubectl', ['version', '--client', '--output=yaml'], { encoding: 'utf8' });
  if (status !== 0) return 'there is no kubectl here';
  const minor = Number(/minor: "?(\d+)/.exec(stdout)?.[1]);
  return minor >= leastMinor ? undefined : `this kubectl is of 1.${minor}, and components need 1.${leastMinor}`;
}

/** Renders combinations of a copy of k8s/ in `folder`, where a kustomization per combination is written. */
export class Renderer {
  readonly #folder: string;
  #combinations = 0;

  constructor(folder: string) {
    this.#folder = folder;
    cpSync(kubernetesFolder, join(folder, 'k8s'), { recursive: true });
  }

  combination({ overlay, components }: Combination): readonly Manifest[] {
    return this.kustomization({
      resources: [`../k8s/${overlay}`],
      components: components.map((component) => `../k8s/components/${component}`),
    });
  }

  /** Of any kustomization, with further files beside it. */
  kustomization(content: object, files: Readonly<Record<string, unknown>> = {}): readonly Manifest[] {
    const folder = join(this.#folder, `combination-${++this.#combinations}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'kustomization.yaml'), stringify(content));
    for (const [name, file] of Object.entries(files)) writeFileSync(join(folder, name), stringify(file));
    const output = execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8', maxBuffer: outputBytesMax });
    return parseAllDocuments(output).map((document) => {
      if (document.errors[0] !== undefined) throw document.errors[0];
      return document.toJS() as Manifest;
    });
  }
}

/** What stands at a path such as `spec.template.spec`; undefined where there is nothing. */
export function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, key) => (isMap(inner) ? inner[key] : undefined), value);
}

/** Empty where there is no text. */
export function textAt(value: unknown, path: string): string {
  const found = at(value, path);
  return typeof found === 'string' ? found : '';
}

export function listAt(value: unknown, path: string): readonly unknown[] {
  const found = at(value, path);
  return Array.isArray(found) ? (found as unknown[]) : [];
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The pod that a Deployment, Job, StatefulSet or DaemonSet makes. */
export function podOf(manifest: Manifest): unknown {
  return at(manifest, 'spec.template.spec');
}

/** What a container sets; undefined for what comes from elsewhere. */
export function environmentOf(container: unknown): ReadonlyMap<string, unknown> {
  return new Map(listAt(container, 'env').map((entry) => [textAt(entry, 'name'), at(entry, 'value')]));
}
