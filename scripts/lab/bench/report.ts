import { availableParallelism } from 'node:os';
import { median } from './median.ts';
import type { ThroughputPlan, ThroughputRun } from './throughput.ts';

/** What two cores are to carry: events per second, by events per request. */
const targets: ReadonlyMap<number, number> = new Map([
  [100, 100_000],
  [1, 6_000],
]);

export function describePlan({ events, batch, customers, connections, publishers, consumers }: ThroughputPlan): string {
  const requests = batch === 1 ? 'single-event requests' : `batches of ${batch}`;
  return (
    `${count(events)} events in ${requests}, ${count(customers)} customers, ${connections} requests at a time, ` +
    `publishers: ${publishers}, consumers: ${consumers}`
  );
}

/** A table with a column per run and one for the median. */
export function reportThroughput(plan: ThroughputPlan, runs: readonly ThroughputRun[]): string {
  const perEvent = (run: ThroughputRun, seconds: number): number => (seconds / run.events) * 1e6;
  const cpuSeconds = (run: ThroughputRun): number => run.processes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  const names = runs[0]?.processes.map(({ name }) => name) ?? [];
  const used = (run: ThroughputRun, name: string) => run.processes.find((usage) => usage.name === name);
  const rows: Row[] = [
    ['intake (202), events/s', (run) => (run.events / run.intakeMs) * 1_000, count],
    ['ledger (billed), events/s', (run) => (run.events / run.ledgerMs) * 1_000, count],
    ['202, p50 ms', (run) => run.p50Ms, tenths],
    ['202, p99 ms', (run) => run.p99Ms, tenths],
    ['events per broker message', (run) => run.sent / run.messages, tenths],
    ['calls to Stripe', (run) => run.calls, count],
    ['CPU µs per event', (run) => perEvent(run, cpuSeconds(run)), tenths],
    ['CPU taken by others, %', (run) => (run.othersShare ?? Number.NaN) * 100, tenths],
    ...names.map((name): Row => [`CPU s   ${name}`, (run) => used(run, name)?.cpuSeconds ?? Number.NaN, tenths]),
    ...names.map((name): Row => [`µs/ev   ${name}`, (run) => perEvent(run, used(run, name)?.cpuSeconds ?? 0), tenths]),
    ...names.map((name): Row => [`RSS MiB ${name}`, (run) => used(run, name)?.peakMiB ?? Number.NaN, count]),
  ];
  const head = ['', ...runs.map((_, index) => `run ${index + 1}`), 'median'];
  const lines = [head, ...rows.map(([title, read, format]) => line(title, runs.map(read), format))];
  return [...align(lines), '', ...verdicts(plan, runs)].join('\n');
}

type Row = readonly [title: string, read: (run: ThroughputRun) => number, format: (value: number) => string];

function line(title: string, values: readonly number[], format: (value: number) => string): string[] {
  return [title, ...values.map(format), format(median(values))];
}

function verdicts({ batch }: ThroughputPlan, runs: readonly ThroughputRun[]): string[] {
  const lines = runs.map(({ verdict, repeated }, index) => {
    const over = verdict.differences.filter(({ kind }) => kind === 'over').length;
    const short = verdict.differences.length - over;
    return `audit of run ${index + 1}: ${short} lost, ${over} duplicated, of ${count(verdict.compared)} totals; ${count(repeated)} events were sent twice`;
  });
  const target = targets.get(batch);
  if (target === undefined) return lines;
  const rate = median(runs.map((run) => (run.events / run.ledgerMs) * 1_000));
  const cores = availableParallelism();
  const wall = rate >= target ? 'met' : 'missed';
  return [
    ...lines,
    `target: ${count(target)} events/s billed on two cores; median ${count(rate)} on ${cores}: ${wall}`,
  ];
}

function align(rows: readonly (readonly string[])[]): string[] {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function tenths(value: number): string {
  return Number.isNaN(value) ? 'unknown' : value.toFixed(1);
}
