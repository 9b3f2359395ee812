import { expect, it } from 'vitest';
import { openings, type Resource, resourcesOf } from './openness.ts';

const resource = (type: string, values: Resource['values']): Resource => ({
  address: `${type}.it`,
  mode: 'managed',
  type,
  values,
});
const faultsOf = (type: string, values: Resource['values']) => openings([resource(type, values)]);

it('finds every kind of rule that admits the whole internet', () => {
  const open = 'admits the whole internet.';
  expect(faultsOf('aws_vpc_security_group_ingress_rule', { cidr_ipv4: '0.0.0.0/0' })).toEqual([
    `aws_vpc_security_group_ingress_rule.it ${open}`,
  ]);
  expect(faultsOf('aws_vpc_security_group_ingress_rule', { cidr_ipv6: '::/0' })).toHaveLength(1);
  expect(faultsOf('aws_security_group_rule', { type: 'ingress', cidr_blocks: ['0.0.0.0/0'] })).toHaveLength(1);
  expect(faultsOf('aws_security_group', { ingress: [{ cidr_blocks: ['0.0.0.0/0'] }] })).toHaveLength(1);
  expect(faultsOf('cloudamqp_security_firewall', { rules: [{ ip: '0.0.0.0/0' }] })).toHaveLength(1);
});

it('lets out what goes out, and in what has a name', () => {
  expect(faultsOf('aws_vpc_security_group_egress_rule', { cidr_ipv4: '0.0.0.0/0' })).toEqual([]);
  expect(faultsOf('aws_security_group_rule', { type: 'egress', cidr_blocks: ['0.0.0.0/0'] })).toEqual([]);
  expect(faultsOf('aws_vpc_security_group_ingress_rule', { referenced_security_group_id: 'sg-1' })).toEqual([]);
});

it('finds public addresses, disks in the clear and metadata without a token', () => {
  const safe = { root_block_device: [{ encrypted: true }], metadata_options: [{ http_tokens: 'required' }] };
  expect(faultsOf('aws_instance', safe)).toEqual([]);
  expect(faultsOf('aws_instance', { ...safe, associate_public_ip_address: true })).toHaveLength(1);
  expect(faultsOf('aws_instance', { ...safe, root_block_device: [] })).toHaveLength(1);
  expect(faultsOf('aws_instance', { ...safe, metadata_options: [{ http_tokens: 'optional' }] })).toHaveLength(1);
  expect(faultsOf('aws_ebs_volume', { encrypted: false })).toHaveLength(1);
  expect(faultsOf('aws_subnet', { map_public_ip_on_launch: true })).toHaveLength(1);
  expect(faultsOf('aws_memorydb_cluster', { tls_enabled: false })).toHaveLength(1);
});

it('looks into every module, and at what is made, not at what is only read', () => {
  const made = resource('aws_ebs_volume', {});
  const root = { resources: [{ ...made, mode: 'data' }], child_modules: [{ child_modules: [{ resources: [made] }] }] };
  expect(resourcesOf(root)).toEqual([made]);
});
