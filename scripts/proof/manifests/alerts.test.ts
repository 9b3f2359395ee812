/**
 * Alerts, the page that lists them (README.md of k8s) and the code agree, both ways: whoever is woken finds one row that says which
 * metric it was, which line the log has of it, and what `/readyz` says; and what a README says to alert on has an alert.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { namesIn, tablesOf } from '../check/markdown.ts';
import { codeOf, metricsIn } from '../check/service-code.ts';
import { entriesCommand } from '../../commands/entries.ts';
import { attempt, wordsOf } from '../../commands/testing/attempt.ts';
import { listAt, textAt } from './render.ts';

const root = resolve(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const services = ['publisher', 'consumer'];
const code = services.map((name) => codeOf(join(root, 'services', name)));
const metrics = new Set(code.flatMap(metricsIn));
/** Sentences that are written in several pieces are one; what is inserted into them is left out. */
const sentences = code
  .flatMap((files) => [...files.values()])
  .join('\n')
  .replace(/['`] \+\s*['`]/g, '');

const rules = listAt(parse(read('k8s/components/prometheus/alerts.yaml')), 'spec.groups').flatMap((group) =>
  listAt(group, 'rules'),
);
const named = (rule: unknown): string => textAt(rule, 'alert');
const used = (rule: unknown): string[] => [
  ...new Set([...textAt(rule, 'expr').matchAll(/\btallyman_\w+/g)].map(([name]) => name)),
];
const rows = tablesOf(read('k8s/README.md')).find(({ header }) => header[0] === 'alert')?.rows ?? [];
const alertOf = ([cell = '']: readonly string[]): string => namesIn(cell)[0] ?? '';
/** What stands in quotation marks is said word for word. */
const quotedIn = (cell: string): string[] => [...cell.matchAll(/"([^"]+)"/g)].map(([, words = '']) => words);

describe('the alerts', () => {
  it('each have one row, and every row an alert', () => {
    expect(rules.length).toBeGreaterThan(15);
    expect(rows.map(alertOf)).toEqual(rules.map(named));
  });

  it('each use metrics that exist, and their row names them', () => {
    for (const rule of rules) {
      expect(used(rule).filter((name) => !metrics.has(name))).toEqual([]);
      const row = rows.find((one) => alertOf(one) === named(rule));
      expect([...new Set(namesIn(row?.[1] ?? ''))].sort(), named(rule)).toEqual(used(rule).sort());
    }
  });

  it('each have a runbook that says what to do', () => {
    expect(rules.filter((rule) => textAt(rule, 'annotations.runbook').length < 40).map(named)).toEqual([]);
    expect(rules.filter((rule) => textAt(rule, 'annotations.summary').length < 40).map(named)).toEqual([]);
  });

  // Whoever is woken pastes them.
  it('name commands about entries as the command takes them', async () => {
    const runbooks = rules.map((rule) => textAt(rule, 'annotations.runbook').replace('{{ $labels.state }}', 'dead'));
    const commands = runbooks.flatMap((text) => [
      ...text.matchAll(/tallyman (entries \w+(?: --[a-z-]+(?: '[^']*'| \w+)?)+)/g),
    ]);
    expect(commands.length).toBeGreaterThan(3);
    for (const [, command = ''] of commands) {
      const [, ...words] = wordsOf(command);
      expect(
        await attempt(
          entriesCommand(() => 0),
          words,
        ),
        command,
      ).toMatchObject({ code: 0, stderr: '' });
    }
  });

  it('are of what the log and /readyz say in these words', () => {
    const quoted = rows.flatMap((row) => [...quotedIn(row[2] ?? ''), ...quotedIn(row[3] ?? '')]);
    expect(quoted.length).toBeGreaterThan(15);
    expect(quoted.filter((words) => !sentences.includes(words))).toEqual([]);
  });

  it('are there for every metric that a README says to alert on', () => {
    const alerted = new Set(rules.flatMap(used));
    const wanted = services.flatMap((name) =>
      tablesOf(read(`services/${name}/README.md`)).flatMap(({ rows: cells }) =>
        cells.filter(([, text = '']) => text.includes('alert')).flatMap(([metric = '']) => namesIn(metric)),
      ),
    );
    expect(wanted.length).toBeGreaterThan(5);
    expect(wanted.filter((metric) => !alerted.has(metric))).toEqual([]);
  });
});
