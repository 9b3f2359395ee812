/**
 * What no resource of any module may be, whoever adds it: open to the internet, in the clear, or without a token. The tests of a module
 * assert what its own resources are; they cannot see one that they do not know.
 */
export interface Resource {
  readonly address: string;
  readonly mode: string;
  readonly type: string;
  readonly values: Readonly<Record<string, unknown>>;
}

export interface ResourceModule {
  readonly resources?: readonly Resource[];
  readonly child_modules?: readonly ResourceModule[];
}

export function resourcesOf({ resources = [], child_modules: children = [] }: ResourceModule): readonly Resource[] {
  return [...resources, ...children.flatMap(resourcesOf)].filter(({ mode }) => mode === 'managed');
}

/** Each is a sentence that names the resource. */
export function openings(resources: readonly Resource[]): readonly string[] {
  return resources.flatMap((resource) =>
    rules.filter(({ isBroken }) => isBroken(resource)).map(({ says }) => `${resource.address} ${says}.`),
  );
}

interface Rule {
  readonly says: string;
  readonly isBroken: (resource: Resource) => boolean;
}

const everywhere = ['0.0.0.0/0', '::/0'];
const names = (value: unknown): boolean =>
  everywhere.some((range) => JSON.stringify(value ?? null).includes(`"${range}"`));

const rules: readonly Rule[] = [
  {
    says: 'admits the whole internet',
    isBroken({ type, values }) {
      if (type === 'aws_vpc_security_group_ingress_rule') return names([values['cidr_ipv4'], values['cidr_ipv6']]);
      if (type === 'aws_security_group_rule') return values['type'] === 'ingress' && names(values);
      if (type === 'aws_security_group' || type === 'aws_default_security_group') return names(values['ingress']);
      if (type === 'cloudamqp_security_firewall') return names(values['rules']);
      return (
        type === 'aws_eks_cluster' &&
        names(values['vpc_config']) &&
        isTrue(values['vpc_config'], 'endpoint_public_access')
      );
    },
  },
  {
    says: 'has a public address, or gives one',
    isBroken: ({ values }) =>
      ['associate_public_ip_address', 'map_public_ip_on_launch', 'publicly_accessible'].some(
        (name) => values[name] === true,
      ),
  },
  {
    says: 'is not encrypted',
    isBroken({ type, values }) {
      if (type === 'aws_ebs_volume') return values['encrypted'] !== true;
      if (type === 'aws_instance') return !isTrue(values['root_block_device'], 'encrypted');
      return type === 'aws_memorydb_cluster' && values['tls_enabled'] !== true;
    },
  },
  {
    says: 'gives its metadata without a token (IMDSv1)',
    isBroken: ({ type, values }) =>
      (type === 'aws_instance' || type === 'aws_launch_template') &&
      !JSON.stringify(values['metadata_options'] ?? null).includes('"http_tokens":"required"'),
  },
];

/** Blocks are lists, of which these have one. */
function isTrue(block: unknown, name: string): boolean {
  return Array.isArray(block) && block.length > 0 && block.every((one: Record<string, unknown>) => one[name] === true);
}
