import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { encodeSchema, parseType, type ProviderSchema } from './provider-schema.ts';

it('turns types as Terraform writes them into the form that the protocol carries', () => {
  expect(parseType('string')).toBe('string');
  expect(parseType('list(number)')).toEqual(['list', 'number']);
  expect(parseType('map(list(string))')).toEqual(['map', ['list', 'string']]);
  expect(parseType('list(object({id=number, tags=list(string), place=object({x=number, y=number})}))')).toEqual([
    'list',
    ['object', { id: 'number', tags: ['list', 'string'], place: ['object', { x: 'number', y: 'number' }] }],
  ]);
});

it('refuses what is no type instead of letting it pass', () => {
  expect(() => parseType('strnig')).toThrow('"strnig" is no type');
  expect(() => parseType('list(strnig)')).toThrow('"strnig" is no type');
});

it('writes a schema as protocol buffers', () => {
  const provider = { source: 'a/b', snapshot_version: '1', arguments: { k: { type: 'bool', required: true } } };
  // Response{provider: Schema{block: Block{attributes: [{name: k, type: "bool" as JSON, required: true}]}}}
  const attribute = Buffer.from([0x0a, 1, 0x6b, 0x12, 6, ...Buffer.from('"bool"'), 0x20, 1]);
  const block = Buffer.concat([Buffer.from([0x12, attribute.length]), attribute]);
  const root = Buffer.concat([Buffer.from([0x12, block.length]), block]);
  expect(encodeSchema({ provider, resources: {}, data_sources: {} })).toEqual(
    Buffer.concat([Buffer.from([0x0a, root.length]), root]),
  );
});

it('refuses a nesting that the protocol does not have', () => {
  const provider = { source: 'a/b', snapshot_version: '1', blocks: { rules: { nesting: 'heap' } } };
  expect(() => encodeSchema({ provider, resources: {}, data_sources: {} })).toThrow('rules is nested as heap');
});

it('can write the whole schema of cloudamqp that is kept here', () => {
  const file = new URL('cloudamqp-provider-schema.json', import.meta.url);
  const schema = JSON.parse(readFileSync(file, 'utf8')) as ProviderSchema;
  expect(schema.provider.source).toBe('cloudamqp/cloudamqp');
  expect(encodeSchema(schema).includes('cloudamqp_vpc_peering')).toBe(true);
});
