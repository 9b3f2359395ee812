import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { z } from 'zod';
import { isMap, type Manifest } from './render.ts';

/**
 * Kubernetes 1.32's own schema, as the package cdk8s-plus-32 carries it: its assembly (`.jsii`) is generated from the
 * OpenAPI of that release and names for every field the schema and the field it came from. Checked like `kubectl apply` with
 * strict validation: unknown fields, missing required ones, and types. Not kubeconform: it downloads its schemas from GitHub, and no
 * package of a registry carries them.
 */
const typeShape: z.ZodType<TypeReference> = z.lazy(() =>
  z.object({
    primitive: z.string().optional(),
    fqn: z.string().optional(),
    collection: z.object({ kind: z.enum(['array', 'map']), elementtype: typeShape }).optional(),
  }),
);

interface TypeReference {
  readonly primitive?: string | undefined;
  readonly fqn?: string | undefined;
  readonly collection?: { readonly kind: 'array' | 'map'; readonly elementtype: TypeReference } | undefined;
}

const origin = z.object({ custom: z.object({ schema: z.string() }).optional() }).optional();
const assemblyShape = z.object({
  types: z.record(
    z.string(),
    z.object({
      docs: origin,
      properties: z.array(z.object({ docs: origin, optional: z.boolean().optional(), type: typeShape })).optional(),
    }),
  ),
});

interface Field {
  readonly isOptional: boolean;
  readonly type: TypeReference;
}

/** Fields of each type of the assembly, by Kubernetes' name of the field. */
type Schemas = ReadonlyMap<string, ReadonlyMap<string, Field>>;

const packageName = 'cdk8s-plus-32';
/** Written as text or number; the assembly has classes for them. */
const scalars: ReadonlySet<string> = new Set([`${packageName}.k8s.Quantity`, `${packageName}.k8s.IntOrString`]);

export interface KubernetesSchema {
  /** Undefined: Kubernetes itself has no such kind. */
  faultsOf(manifest: Manifest): readonly string[] | undefined;
}

export function loadKubernetesSchema(): KubernetesSchema {
  const file = createRequire(import.meta.url).resolve(`${packageName}/.jsii`);
  const { types } = assemblyShape.parse(JSON.parse(readFileSync(file, 'utf8')));
  const schemas = new Map<string, ReadonlyMap<string, Field>>();
  const kinds = new Map<string, string>();
  for (const [name, { docs, properties = [] }] of Object.entries(types)) {
    if (!name.startsWith(`${packageName}.k8s.`)) continue;
    const fields = properties.map(({ docs: from, optional = false, type }): [string, Field] => [
      from?.custom?.schema.split('#')[1] ?? '',
      { isOptional: optional, type },
    ]);
    schemas.set(name, new Map(fields));
    if (/\.Kube\w+Props$/.test(name)) kinds.set(docs?.custom?.schema ?? '', name);
  }
  return {
    faultsOf(manifest) {
      const name = kinds.get(schemaName(manifest));
      if (name === undefined) return undefined;
      const { apiVersion, kind, ...rest } = manifest;
      return faultsOf({ fqn: name }, rest, `${kind} ${manifest.metadata.name} (${apiVersion})`, schemas);
    },
  };
}

/** `apps/v1` Deployment is `io.k8s.api.apps.v1.Deployment`; of a group with dots the first part counts, and v1 is core. */
function schemaName({ apiVersion, kind }: Manifest): string {
  const [version = '', group = 'core'] = apiVersion.split('/').reverse();
  return `io.k8s.api.${group.split('.')[0]}.${version}.${kind}`;
}

function faultsOf(type: TypeReference, value: unknown, path: string, schemas: Schemas): readonly string[] {
  if (type.collection?.kind === 'array') {
    if (!Array.isArray(value)) return [`${path} is no list`];
    const { elementtype } = type.collection;
    return value.flatMap((element: unknown, index) => faultsOf(elementtype, element, `${path}[${index}]`, schemas));
  }
  if (type.collection?.kind === 'map') {
    if (!isMap(value)) return [`${path} is no map`];
    const { elementtype } = type.collection;
    return Object.entries(value).flatMap(([key, element]) => faultsOf(elementtype, element, `${path}.${key}`, schemas));
  }
  if (type.fqn !== undefined) return faultsOfNamed(type.fqn, value, path, schemas);
  return isPrimitive(type.primitive, value)
    ? []
    : [`${path} is ${JSON.stringify(value)}, which is no ${type.primitive}`];
}

function faultsOfNamed(name: string, value: unknown, path: string, schemas: Schemas): readonly string[] {
  if (scalars.has(name)) {
    const isScalar = typeof value === 'string' || typeof value === 'number';
    return isScalar ? [] : [`${path} is neither text nor a number`];
  }
  const fields = schemas.get(name);
  if (fields === undefined) throw new Error(`the schema names ${name}, which it does not have`);
  // An enumeration: it has no fields.
  if (fields.size === 0 && typeof value === 'string') return [];
  if (!isMap(value)) return [`${path} is no object`];
  const missing = [...fields].filter(([field, { isOptional }]) => !isOptional && !(field in value));
  return [
    ...missing.map(([field]) => `${path}.${field} is missing`),
    ...Object.entries(value).flatMap(([field, inner]) => {
      const type = fields.get(field)?.type;
      return type === undefined
        ? [`${path}.${field} is no field of Kubernetes 1.32`]
        : faultsOf(type, inner, `${path}.${field}`, schemas);
    }),
  ];
}

function isPrimitive(primitive: string | undefined, value: unknown): boolean {
  switch (primitive) {
    case 'string':
    case 'date':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    default:
      return true;
  }
}
