import { existsSync, globSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProviderSchema } from './provider-schema.ts';

/** Where `terraform init` takes providers from. */
export interface Providers {
  readonly initOptions: readonly string[];
  /** Providers that a stand-in takes the place of, by source: `cloudamqp/cloudamqp`. */
  readonly standIns: ReadonlyMap<string, string>;
  readonly description: string;
}

const registry = 'registry.terraform.io';
const own = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/**
 * Plugins of this machine, if it has a folder of them; then a stand-in is made for what is not among them and whose schema is
 * kept here. Without such a folder everything is Terraform's registry's to give, over the network.
 */
export async function provideProviders(folder: string, platform: string): Promise<Providers> {
  const places = [
    join(homedir(), '.terraform.d/plugins'),
    '/usr/local/share/terraform/plugins',
    '/usr/share/terraform/plugins',
  ];
  const mirrors = [...places, ...globSync('/opt/*')].filter((place) => existsSync(join(place, registry)));
  if (mirrors.length === 0) {
    return { initOptions: [], standIns: new Map(), description: 'Providers come from the registry.' };
  }
  const initOptions = mirrors.map((mirror) => `-plugin-dir=${mirror}`);
  const schemaFile = own('cloudamqp-provider-schema.json');
  const { provider } = JSON.parse(await readFile(schemaFile, 'utf8')) as ProviderSchema;
  const { source, snapshot_version: version } = provider;
  if (mirrors.some((mirror) => existsSync(join(mirror, registry, source)))) {
    return { initOptions, standIns: new Map(), description: `Providers of this machine, ${source} among them.` };
  }
  await makeStandIn(join(folder, registry, source, version, platform), source, version, schemaFile);
  return {
    initOptions: [...initOptions, `-plugin-dir=${folder}`],
    standIns: new Map([[source, version]]),
    description: `Providers of this machine. ${source} is not among them: a stand-in serves the schema of its version ${version}.`,
  };
}

async function makeStandIn(folder: string, source: string, version: string, schemaFile: string): Promise<void> {
  const file = join(folder, `terraform-provider-${source.split('/')[1]}_v${version}`);
  const words = [process.execPath, own('stand-in-provider.ts'), schemaFile].map((word) => `'${word}'`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `#!/bin/sh\nexec ${words.join(' ')}\n`, { mode: 0o755 });
}
