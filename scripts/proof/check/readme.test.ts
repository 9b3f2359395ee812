/**
 * Every service has a README whose tables and code agree, both ways. Where a table is:
 * - settings: rows whose first cell names `UPPER_CASE` settings;
 * - metrics: rows whose first cell names `tallyman_…` metrics;
 * - error codes: tables whose first column is called "code".
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Service } from '../../../shared/config/setting.ts';
import { allSettings, settings } from '../../../shared/config/settings.ts';
import { namesIn, tablesOf } from './markdown.ts';
import { codeOf, errorCodesIn, metricsIn } from './service-code.ts';

const root = resolve(import.meta.dirname, '../../..');
const services = globSync('services/*/src/main.ts', { cwd: root }).map((path) => dirname(dirname(path)));

const sorted = (names: Iterable<string>): readonly string[] => [...new Set(names)].sort();

it('finds the services', () => {
  expect(services).toContain('services/publisher');
  expect(services).toContain('services/consumer');
  expect(services).toContain('services/stripe-simulator');
});

describe.each(services)('%s/README.md', (folder) => {
  const service = folder.split('/')[1] as Service;
  const file = join(root, folder, 'README.md');
  const tables = existsSync(file) ? tablesOf(readFileSync(file, 'utf8')) : [];
  const firstCells = tables.flatMap(({ rows }) => rows.flatMap(([cell = '']) => namesIn(cell)));
  const code = codeOf(join(root, folder));

  it('lists the settings that the service knows, and no other', () => {
    const listed = firstCells.filter((name) => /^[A-Z][A-Z0-9_]+$/.test(name));
    const known = allSettings.filter((setting) => setting.services.includes(service));
    const files = known.filter((setting) => setting.hasFile).map(({ name }) => `${name}_FILE`);
    expect(sorted(listed.filter((name) => !files.includes(name)))).toEqual(sorted(known.map(({ name }) => name)));
  });

  it('lists the metrics that the code makes, and no other', () => {
    expect(sorted(firstCells.filter((name) => name.startsWith('tallyman_')))).toEqual(sorted(metricsIn(code)));
  });

  it('lists its own error codes, and no code that does not exist', async () => {
    const ofCodes = tables.filter(({ header }) => /^`?code`?$/i.test(header[0] ?? ''));
    const listed = ofCodes.flatMap(({ rows }) => rows.flatMap(([cell = '']) => namesIn(cell)));
    const own = await errorCodesIn(new Map([...code].filter(([path]) => path.startsWith(join(root, folder)))));
    const existing = await errorCodesIn(code);
    expect(own.filter((name) => !listed.includes(name))).toEqual([]);
    expect(listed.filter((name) => !existing.includes(name))).toEqual([]);
  });

  it('promises no setting that nothing reads', () => {
    const text = [...code.values()].join('\n');
    const known = Object.entries(settings).filter(([, setting]) => setting.services.some((name) => name === service));
    expect(known.map(([key]) => key).filter((key) => !text.includes(`settings.${key}`))).toEqual([]);
  });
});

// `TALLYMAN_TOKEN_FILE` stood in a README, and ended every process with 78.
describe('a setting that a document or a manifest names', () => {
  const files = globSync(['**/*.md', '**/*.yaml', '**/*.tf', 'Dockerfile', 'scripts/{demo,test,chaos}'], {
    cwd: root,
    exclude: (name) => name.includes('node_modules'),
  });
  const known = new Set(
    allSettings.flatMap(({ name, hasFile }) => (hasFile ? [name, `${name}_FILE`] : [name])).filter(isOurs),
  );

  it.each(files)('is known: %s', (file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const named = [...text.matchAll(/\b(?:TALLYMAN|AMQP|REDIS|STRIPE_API)_[A-Z0-9_]*[A-Z0-9]\b(?!_|…)/g)].map(
      ([name]) => name,
    );
    expect(sorted(named.filter((name) => isOurs(name) && !known.has(name)))).toEqual([]);
  });

  it.each(services)('is named with its file, if it has one: %s', (folder) => {
    const text = readFileSync(join(root, folder, 'README.md'), 'utf8');
    const service = folder.split('/')[1] as Service;
    const withFile = allSettings.filter((setting) => setting.hasFile && setting.services.includes(service));
    expect(withFile.map(({ name }) => `${name}_FILE`).filter((name) => !text.includes(name))).toEqual([]);
  });
});

function isOurs(name: string): boolean {
  return /^TALLYMAN_|^(AMQP_URL|REDIS_URL|STRIPE_API_KEY|STRIPE_API_BASE)/.test(name);
}
