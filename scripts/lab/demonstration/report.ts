import { counted } from '../../../shared/log/troubles.ts';
import { styleText } from 'node:util';
import type { Difference, Ledger, MeterVerdict, Verdict } from '../audit.ts';
import type { Sent } from '../load/load.ts';
import type { Progress } from '../load/part.ts';
import type { Killing } from './chaos.ts';
import type { DemoOptions } from './options.ts';
import { count } from './screen.ts';

const differencesShown = 20;

export function announce(options: DemoOptions, description: string, folder: string): string {
  const { events, customers, publishers, consumers, chaos, ratePerS } = options;
  const lines = [
    styleText('bold', 'Tallyman demo'),
    `  ${count(events)} usage events of ${count(customers)} customers on five meters (sum, last, count), at most ${count(ratePerS)}/s,`,
    `  through ${counted(publishers, 'sidecar')}, ${description} and ${counted(consumers, 'consumer')} to a simulated Stripe with its real`,
    '  limits: 1,000 calls/s, one at a time per customer and meter. Some events are late, some are corrections, and',
    '  clients send 2 % of them twice under the same id.',
    '  What is private listens on loopback (services on their usual ports, where those are free) and writes to',
    `  ${folder}; both are gone at the end.`,
  ];
  if (chaos) lines.push('  In mid-load a consumer and a sidecar are killed with SIGKILL.');
  return `${lines.join('\n')}\n`;
}

export interface Outcome {
  readonly verdict: Verdict;
  readonly ledger: Ledger;
  readonly sent: Sent;
  readonly progress: Progress;
  readonly killings: readonly Killing[];
  readonly loadMs: number;
  readonly totalMs: number;
}

export function isBalanced({ verdict }: Outcome): boolean {
  return verdict.differences.length === 0;
}

export function report(outcome: Outcome): string {
  const { verdict, ledger, sent, progress, killings, loadMs, totalMs } = outcome;
  const { differences, compared } = verdict;
  const p50 = sent.latency.percentile(0.5).toFixed(0);
  const p99 = sent.latency.percentile(0.99).toFixed(0);
  const lines = [
    '',
    styleText('bold', 'Audit: what sidecars answered 202 to, against what Stripe holds, per customer and meter'),
    ...table(verdict.perMeter),
    '',
    `  ${count(compared)} totals compared, ${count(compared - differingOwed(differences))} equal to the last digit. sum: the exact sum; count: how many;`,
    '  last: the value of the newest event of each customer. What nobody sent must not be billed either.',
    ...differences.slice(0, differencesShown).map(describe),
    ...(differences.length > differencesShown ? [`  … and ${count(differences.length - differencesShown)} more`] : []),
    '',
    `  ${count(progress.durable)} events answered 202 in ${seconds(loadMs)} (p50 ${p50} ms, p99 ${p99} ms), billed after ${seconds(totalMs)};`,
    `  ${count(progress.repeated)} of them were sent twice on purpose, ${count(progress.retries)} requests again because no answer came.`,
    ...stripeSaw(ledger),
    ...killings.map(
      ({ name, pid, durable }) =>
        `  Killed with SIGKILL: ${name} (pid ${pid}), when ${count(durable)} events were durable.`,
    ),
    '',
    verdictLine(differences),
    '',
  ];
  return lines.join('\n');
}

function differingOwed(differences: readonly Difference[]): number {
  return differences.filter(({ owed }) => owed !== 'nothing').length;
}

function stripeSaw({
  events,
  duplicates,
  throttled,
  conflicts = 0,
  peakPerSecond,
  concurrencyViolations = 0,
}: Ledger): readonly string[] {
  const peak = peakPerSecond === undefined ? '' : `, at most ${count(peakPerSecond)} calls in a second`;
  return [
    `  Stripe counted ${count(events)} meter events${peak}. It refused ${count(duplicates)} for their identifier, ${count(throttled)} over its`,
    `  rate (429), ${count(conflicts)} at once (409); two calls at once for a customer and meter: ${count(concurrencyViolations)}.`,
  ];
}

function verdictLine(differences: readonly Difference[]): string {
  const over = differences.filter(({ kind }) => kind === 'over').length;
  const text = `${count(differences.length - over)} lost, ${count(over)} duplicated`;
  return styleText(['bold', differences.length === 0 ? 'green' : 'red'], text);
}

function describe({ customer, meter, kind, owed, billed }: Difference): string {
  const what = { short: 'too little', over: 'too much', wrong: 'not the newest' }[kind];
  return styleText('red', `  ${customer} ${meter}: ${what}, owed ${owed}, billed ${billed}`);
}

function table(rows: readonly MeterVerdict[]): string[] {
  const cells = rows.map((row) => [
    row.meter,
    row.formula,
    count(row.customers),
    count(row.events),
    row.owed,
    row.billed,
    count(row.meterEvents),
    row.differences === 0 ? 'equal' : `${count(row.differences)} differ`,
  ]);
  const head = ['meter', 'formula', 'customers', 'events', 'answered 202', 'billed', 'calls', ''];
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `  ${row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`;
  return [styleText('dim', line(head)), ...cells.map(line)];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
