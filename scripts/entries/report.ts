import type { EntryInSet, EntryState, FoundEntry } from '../../shared/journal/entry-book.ts';
import type { Decision, Entry } from '../../shared/journal/journal.ts';
import { placeOf } from '../../shared/journal/replay.ts';

/** Entries as a person reads them. */

const stateTexts: Readonly<Record<EntryState, string>> = {
  dead: 'dead: Stripe refused it, and nothing of it was billed',
  in_doubt: 'in doubt: it may be billed or not; find out at Stripe, then resolve it',
  deferred: 'deferred: its shard tries it again by itself, at growing intervals',
  waiting: 'waiting: the owner of its shard sends it within seconds',
  accepted: 'accepted: its replay is billed',
  discarded: 'discarded: it is not to be billed',
  billed: 'billed: it was in doubt, and Stripe has it',
};

const reasonWidth = 60;

export function table(entries: readonly FoundEntry[], nowMs: number): string {
  const head = ['identifier', 'state', 'for', 'customer', 'meter', 'value', 'events', 'reason'];
  const rows = entries.map(({ state, record }) => {
    const { entry, reason, parkedAtMs } = record;
    const { identifier, customer, meter, value, events } = entry;
    const brief = reason.length > reasonWidth ? `${reason.slice(0, reasonWidth - 1)}…` : reason;
    return [identifier, state, age(nowMs - parkedAtMs), customer, meter, value, String(events), brief];
  });
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = (column: number): boolean => head[column] === 'value' || head[column] === 'events';
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [head, ...rows].map(line).join('\n');
}

/** For programs: what is kept, and where. */
export function plain({ shard, state, record }: FoundEntry): object {
  const { entry, state: _state, ...rest } = record;
  return { identifier: entry.identifier, state, shard, entry, ...rest };
}

export function describe({ shard, state, record }: FoundEntry): string {
  const { entry, set, reason, attempts, attemptedAtMs, parkedAtMs, calls = [], history = [] } = record;
  const lines = [entry.identifier, stateTexts[state], ...originOf(entry, shard, set), ''];
  const told: [atMs: number, text: string][] = [];
  for (const past of history) {
    if (past.attemptedAtMs !== undefined) told.push([past.attemptedAtMs, `${past.identifier} is about to be sent`]);
    for (const call of past.calls ?? []) told.push([call.atMs, call.answer]);
    told.push([past.parkedAtMs, `${past.state} after ${calledTimes(past.attempts)}: ${past.reason}`]);
    told.push([past.decision.atMs, `replayed by ${decided(past.decision)}`]);
  }
  if (attemptedAtMs !== undefined) told.push([attemptedAtMs, `${entry.identifier} is about to be sent`]);
  for (const call of calls) told.push([call.atMs, call.answer]);
  if (state !== 'waiting') told.push([parkedAtMs, endOf(state, attempts, reason)]);
  if ('decision' in record && record.decision !== undefined) told.push([parkedAtMs, `by ${decided(record.decision)}`]);
  return [...lines, ...told.map(([atMs, text]) => `  ${time(atMs)}  ${text}`)].join('\n');
}

function endOf(state: EntryState, attempts: number, reason: string): string {
  return `${state} after ${calledTimes(attempts)}${reason === '' ? '' : `: ${reason}`}`;
}

/** An entry that was never parked. */
export function describeInSet({ entry, isAccepted, attemptedAtMs }: EntryInSet): string {
  const { shard = 0, set = 0 } = placeOf(entry.identifier) ?? {};
  const state = isAccepted ? 'accepted: it is billed' : 'pending: its set is on its way to Stripe';
  const attempted = attemptedAtMs === undefined ? [] : ['', `  ${time(attemptedAtMs)}  is about to be sent`];
  return [entry.identifier, state, ...originOf(entry, shard, set), ...attempted].join('\n');
}

function originOf(entry: Entry, shard: number, set: number): string[] {
  const { account, customer, meter, dimensions = {}, value, events, windowStartMs, timestamp, refusal } = entry;
  const pairs = Object.entries(dimensions).map(([key, text]) => `${key}=${text}`);
  return [
    `  customer ${customer}, meter ${meter}${account === undefined ? '' : `, account ${account}`}` +
      (pairs.length === 0 ? '' : `, ${pairs.join(', ')}`),
    `  value ${value}, counted from ${events} event${events === 1 ? '' : 's'}; the newest of ${time(timestamp * 1_000)}`,
    `  shard ${shard}, set ${set}, window from ${time(windowStartMs)}`,
    ...(refusal === undefined ? [] : ['  never sent when its set was: the events are summed up whatever their meter']),
  ];
}

function calledTimes(attempts: number): string {
  return attempts === 1 ? '1 call' : `${attempts} calls`;
}

function decided({ by, why }: Decision): string {
  return `${by}: ${why}`;
}

export function time(atMs: number): string {
  return new Date(atMs).toISOString();
}

function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
