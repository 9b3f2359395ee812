/** A provider's schema as it is kept in a JSON file beside this one: what a resource takes, and of what type. */
export interface ProviderSchema {
  readonly provider: SchemaBlock & { readonly snapshot_version: string; readonly source: string };
  readonly resources: Readonly<Record<string, SchemaBlock>>;
  readonly data_sources: Readonly<Record<string, SchemaBlock>>;
}

export interface SchemaBlock {
  readonly arguments?: Readonly<Record<string, SchemaArgument>>;
  readonly blocks?: Readonly<Record<string, NestedBlock>>;
  readonly deprecated?: boolean;
}

interface SchemaArgument {
  /** As Terraform writes types: `string`, `list(number)`, `object({id=number, name=string})`. */
  readonly type: string;
  readonly required?: boolean;
  readonly optional?: boolean;
  readonly computed?: boolean;
  readonly sensitive?: boolean;
  readonly deprecated?: boolean;
}

interface NestedBlock extends SchemaBlock {
  readonly nesting: string;
  readonly min_items?: number;
  readonly max_items?: number;
}

/** The same as a `GetProviderSchema.Response` of Terraform's plugin protocol 6, in protobuf. Throws on what it does not know. */
export function encodeSchema({ provider, resources, data_sources: dataSources }: ProviderSchema): Buffer {
  return Buffer.concat([
    message(1, encodeRoot(provider)),
    ...Object.entries(resources).map(([name, block]) => message(2, mapEntry(name, encodeRoot(block)))),
    ...Object.entries(dataSources).map(([name, block]) => message(3, mapEntry(name, encodeRoot(block)))),
  ]);
}

// Field numbers are those of tfplugin6.proto: Schema, Schema.Block, Schema.Attribute, Schema.NestedBlock.

function encodeRoot(block: SchemaBlock): Buffer {
  return message(2, encodeBlock(block));
}

function encodeBlock({ arguments: args = {}, blocks = {}, deprecated }: SchemaBlock): Buffer {
  return Buffer.concat([
    ...Object.entries(args).map(([name, argument]) => message(2, encodeArgument(name, argument))),
    ...Object.entries(blocks).map(([name, block]) => message(3, encodeNested(name, block))),
    flag(6, deprecated),
  ]);
}

function encodeArgument(name: string, argument: SchemaArgument): Buffer {
  return Buffer.concat([
    message(1, Buffer.from(name)),
    message(2, Buffer.from(JSON.stringify(parseType(argument.type)))),
    flag(4, argument.required),
    flag(5, argument.optional),
    flag(6, argument.computed),
    flag(7, argument.sensitive),
    flag(9, argument.deprecated),
  ]);
}

const nestings: Readonly<Record<string, number>> = { single: 1, list: 2, set: 3, map: 4, group: 5 };

function encodeNested(name: string, block: NestedBlock): Buffer {
  const nesting = nestings[block.nesting];
  if (nesting === undefined)
    throw new Error(`The block ${name} is nested as ${block.nesting}, which Terraform does not know.`);
  // A single block has no count of its own; the protocol wants none told.
  const counted = block.nesting === 'list' || block.nesting === 'set';
  return Buffer.concat([
    message(1, Buffer.from(name)),
    message(2, encodeBlock(block)),
    number(3, nesting),
    number(4, counted ? (block.min_items ?? 0) : 0),
    number(5, counted ? (block.max_items ?? 0) : 0),
  ]);
}

/** `list(object({id=number}))` → `["list", ["object", {"id": "number"}]]`: the form that the protocol carries. */
export function parseType(text: string): unknown {
  const call = /^(\w+)\((.*)\)$/s.exec(text.trim());
  if (call === null) {
    if (!['string', 'number', 'bool', 'dynamic'].includes(text.trim())) throw new Error(`"${text}" is no type.`);
    return text.trim();
  }
  const [, kind = '', inner = ''] = call;
  if (kind !== 'object') return [kind, parseType(inner)];
  const fields = splitFields(inner.trim().replace(/^\{|\}$/g, '')).map((field) => {
    const [, name = '', type = ''] = /^\s*(\w+)\s*=(.*)$/s.exec(field) ?? [];
    return [name, parseType(type)];
  });
  return ['object', Object.fromEntries(fields)];
}

/** At commas that are not within brackets. */
function splitFields(text: string): string[] {
  const fields = [''];
  let depth = 0;
  for (const character of text) {
    if ('({['.includes(character)) depth += 1;
    if (')}]'.includes(character)) depth -= 1;
    if (character === ',' && depth === 0) fields.push('');
    else fields[fields.length - 1] += character;
  }
  return fields.filter((field) => field.trim() !== '');
}

// Protobuf, as much as is needed: length-delimited fields and small numbers.

function message(field: number, content: Buffer): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(content.length), content]);
}

function number(field: number, value: number): Buffer {
  return value === 0 ? Buffer.alloc(0) : Buffer.concat([varint(field << 3), varint(value)]);
}

function flag(field: number, value: boolean | undefined): Buffer {
  return number(field, value === true ? 1 : 0);
}

function mapEntry(key: string, value: Buffer): Buffer {
  return Buffer.concat([message(1, Buffer.from(key)), message(2, value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
}
