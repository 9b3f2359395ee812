import type { EntryInSet, FoundEntry } from '../../../shared/journal/entry-book.ts';
import type { EntryState } from '../../../shared/journal/entry-states.ts';
import type { Decision, Entry } from '../../../shared/journal/journal.ts';
import { placeOf } from '../../../shared/journal/replay.ts';
import { right, tableOf } from '../table.ts';
import type { Group } from './summary.ts';

/** Entries as a person reads them. */

const stateTexts: Readonly<Record<EntryState, string>> = {
  dead: 'dead: it was not sent, and nothing of it was billed',
  in_doubt: 'in doubt: it may be billed or not; find out at Stripe, then resolve it',
  deferred: 'deferred: its shard tries it again by itself, at growing intervals',
  waiting: 'waiting: the owner of its shard sends it within seconds',
  accepted: 'accepted: its replay is billed',
  discarded: 'discarded: it is not to be billed',
  billed: 'billed: it was in doubt, and Stripe has it',
};

const refusedText = 'dead: Stripe refused it, and nothing of it was billed';
/** What the consumer knows by itself, without a call that ends it. */
const ownRefusal = /^(meter_made_anew|meter_has_event_time_window|replay_is_a_sum|dimension_is_a_payload_key)\b/;

function stateTextOf({ state, record: { attempts, reason } }: FoundEntry): string {
  return state === 'dead' && attempts > 0 && !ownRefusal.test(reason) ? refusedText : stateTexts[state];
}

const reasonWidth = 60;

export function table(entries: readonly FoundEntry[], nowMs: number): string {
  const rows = entries.map(({ state, record }) => {
    const { entry, reason, parkedAtMs } = record;
    const { identifier, customer, meter, value, events } = entry;
    return [identifier, state, age(nowMs - parkedAtMs), customer, meter, value, events, briefly(reason)];
  });
  return tableOf(['identifier', 'state', 'for', 'customer', 'meter', right('value'), right('events'), 'reason'], rows);
}

export function summaryTable(groups: readonly Group[], nowMs: number): string {
  const accounts = groups.some(({ account }) => account !== undefined) ? ['account'] : [];
  const rows = groups.map(({ state, reason, account = '', customer, meter, entries, events, value, oldestMs }) => {
    const told = [state, briefly(reason), ...accounts.map(() => account), customer, meter];
    return [...told, entries, events, String(value), age(nowMs - oldestMs)];
  });
  const numbers = ['entries', 'events', 'value'].map(right);
  return tableOf(['state', 'reason', ...accounts, 'customer', 'meter', ...numbers, 'for'], rows);
}

/** For programs. */
export function plainGroup({ value, oldestMs, ...group }: Group): object {
  return { ...group, value: String(value), oldest: time(oldestMs) };
}

function briefly(reason: string): string {
  return reason.length > reasonWidth ? `${reason.slice(0, reasonWidth - 1)}…` : reason;
}

/** For programs: what is kept, and where. */
export function plain({ shard, state, record }: FoundEntry): object {
  const { entry, state: _state, ...rest } = record;
  return { identifier: entry.identifier, state, shard, entry, ...rest };
}

export function describe(found: FoundEntry): string {
  const { shard, state, record } = found;
  const { entry, set, reason, attempts, attemptedAtMs, parkedAtMs, calls = [], history = [] } = record;
  const lines = [entry.identifier, stateTextOf(found), ...originOf(entry, shard, set), ''];
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
export function describeInSet({ entry, isAccepted, isAddedUp, attemptedAtMs }: EntryInSet): string {
  const { shard = 0, set = 0 } = placeOf(entry.identifier) ?? {};
  const unsent = isAddedUp ? addedUpText(entry) : 'pending: its set is on its way to Stripe';
  const state = isAccepted ? 'accepted: it is billed' : unsent;
  const attempted = attemptedAtMs === undefined ? [] : ['', `  ${time(attemptedAtMs)}  is about to be sent`];
  return [entry.identifier, state, ...originOf(entry, shard, set), ...attempted].join('\n');
}

function addedUpText({ customer, meter }: Entry): string {
  const others = `tallyman entries list --customer '${customer}' --meter '${meter}'`;
  return `dead: it was never sent, and its amount is part of another entry of its customer and meter: ${others}`;
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
