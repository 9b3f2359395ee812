import type { MessageOrigin, UsageEvent, UsageMessage } from '../../../../../shared/event/usage-event.ts';
import type { Entry, ParkedEntry, PendingSet, SettledAs, ShardState } from '../../../../../shared/journal/journal.ts';
import { ShardMemory } from '../../counting/memory.ts';
import type { Call } from '../../dispatch/call.ts';
import { defaultDriveLimits } from '../../lanes/drive-limits.ts';
import { newItem, type Item } from '../../lanes/item.ts';
import type { MeterCatalog } from '../../meters/meter-list.ts';
import type { Formula, Meter, Outcome } from '../../provider/provider.ts';
import type { Drive } from '../../sending/drive.ts';
import { Flight } from '../../sending/flight.ts';
import type { RandomSource } from '../../sending/random-source.ts';
import type { JournalAnswer, JournalWrite } from '../../sending/write.ts';
import type { ShardLimits } from '../shard-limits.ts';

/** What tests of the shard's parts are made of: everything valid, and only what a test is about said by the test. */

/** Redis' clock when tests begin; the monotonic clock is at 0 then. */
export const startRedisMs = Date.UTC(2026, 10, 22, 12);
export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

export function usageEvent(said: Partial<UsageEvent> = {}): UsageEvent {
  return { id: 'event', customer: 'cus_1', meter: 'requests', value: '1', timestamp: startRedisMs / 1000, ...said };
}

export function usageMessage(
  events: readonly UsageEvent[] = [usageEvent()],
  receivedAtMs: number = startRedisMs,
): UsageMessage {
  return { version: 1, receivedAt: receivedAtMs / 1000, source: 'test', region: '', events };
}

export function origin(sequence: number, said: Partial<MessageOrigin> = {}): MessageOrigin {
  return { producer: 'producer', slot: 7, sequence, ...said };
}

export function meter(eventName: string, formula: Formula = 'sum', said: Partial<Meter> = {}): Meter {
  return { eventName, formula, customerKey: 'stripe_customer_id', valueKey: 'value', ...said };
}

export function metersOf(...meters: readonly Meter[]): ReadonlyMap<string, Meter> {
  return new Map(meters.map((known) => [known.eventName, known]));
}

export function catalogOf(...meters: readonly Meter[]): MeterCatalog {
  return { meters: metersOf(...meters), askedAtMs: -1 };
}

export const requestsCatalog: MeterCatalog = catalogOf(meter('requests'));

export function entry(said: Partial<Entry> = {}): Entry {
  return {
    identifier: 'tm1-incarnation-007-1-token-0',
    customer: 'cus_1',
    meter: 'requests',
    value: '1',
    timestamp: startRedisMs / 1000,
    windowStartMs: startRedisMs,
    events: 1,
    ...said,
  };
}

/** Entries of different lanes, unless `customer` is said. */
export function entries(count: number, said: Partial<Entry> = {}): Entry[] {
  return Array.from({ length: count }, (_, index) =>
    entry({ identifier: `entry-${index}`, customer: `cus_${index}`, ...said }),
  );
}

export function itemsOf(list: readonly Entry[], set = 1): Item[] {
  return list.map((listed, index) => newItem(listed, set, index));
}

export function shardState(said: Partial<ShardState> = {}): ShardState {
  return {
    redisMs: startRedisMs,
    next: 1,
    deferred: [],
    cursors: new Map(),
    idSets: [],
    ...said,
  };
}

/** Set aside by set 1 after five calls without an answer. */
export function deferredAfterCalls(): ParkedEntry {
  return {
    entry: entry(),
    state: 'deferred',
    reason: '',
    attemptedAtMs: startRedisMs,
    attempts: 5,
    parkedAtMs: 0,
    set: 1,
  };
}

export function pendingSet(said: Partial<PendingSet> = {}): PendingSet {
  return {
    set: 1,
    token: 'a'.repeat(32),
    entries: [entry()],
    attemptedAtMs: new Map(),
    settled: new Map(),
    progressWrites: 0,
    ...said,
  };
}

export function shardLimits(said: Partial<ShardLimits> = {}): ShardLimits {
  return {
    shard: 7,
    incarnation: '0123456789abcdef0123456789abcdef',
    windowMs: 5 * minuteMs,
    flushEvents: 1_000,
    flushIntervalMs: 5 * minuteMs,
    dedupWindowMs: hourMs,
    dedupMaxIds: 1_000_000,
    strandedMs: minuteMs,
    callTimeoutMs: 5_000,
    drive: defaultDriveLimits,
    ...said,
  };
}

/** Always the middle of what may be drawn; tokens count up. */
export function steadyRandom(): RandomSource {
  let tokens = 0;
  return { number: () => 0.5, token: () => String(++tokens).padStart(32, '0') };
}

export const outcomes = {
  accepted: { kind: 'accepted' },
  refused: { kind: 'refused', reason: 'no such customer' },
  throttled: { kind: 'throttled', scope: 'lane', reason: '409' },
  unauthorized: { kind: 'unauthorized', reason: '401' },
  unsent: { kind: 'unsent', reason: 'no connection' },
  unknown: { kind: 'unknown', reason: 'timeout' },
} as const satisfies Record<string, Outcome>;

/** Journals the attempts that have to be, and takes the next call. */
export function takeMarked(drive: Drive, nowMs: number): Item | undefined {
  drive.tick(nowMs, startRedisMs + nowMs);
  drive.lanes.marked(drive.lanes.takeUnmarked(1_000), startRedisMs + nowMs, nowMs);
  return drive.take(nowMs, startRedisMs + nowMs);
}

/** The call takes no time. */
export function endCall(drive: Drive, item: Item, outcome: Outcome, nowMs: number, breakerClosed = true): void {
  drive.callEnded(item, outcome, nowMs, nowMs, startRedisMs + nowMs, breakerClosed);
}

/** Lets that many calls fail, each after the longest pause there is. Returns the time after that. */
export function failCalls(drive: Drive, outcome: Outcome, times: number, fromMs: number, breakerClosed = true): number {
  let nowMs = fromMs;
  for (let failed = 0; failed < times; failed++, nowMs += defaultDriveLimits.retry.maxMs) {
    const item = takeMarked(drive, nowMs);
    if (item === undefined) throw new Error(`Nothing was tried after ${failed} failures.`);
    endCall(drive, item, outcome, nowMs, breakerClosed);
  }
  return nowMs;
}

/** Writes everything that has ended to the journal, which answers at once. */
export function writeEnded(drive: Drive, nowMs: number): { settled: SettledAs[]; parked: ParkedEntry[] } {
  const ended = drive.peekEnded(1_000_000);
  drive.endedWritten(ended, nowMs);
  return {
    settled: ended.map(({ as }) => as),
    parked: ended.flatMap(({ parked }) => (parked === undefined ? [] : [parked])),
  };
}

/** The journal's answer when the monotonic clock shows `nowMs`. */
export function ok(nowMs = 0): JournalAnswer {
  return { answer: 'ok', redisMs: startRedisMs + nowMs };
}

export function totalsAre(totals: ReadonlyMap<string, string>, nowMs = 0): JournalAnswer {
  return { answer: 'ok', redisMs: startRedisMs + nowMs, totals };
}

/** Nothing is parked that refused entries could be added to. */
export function noSums(nowMs = 0): JournalAnswer {
  return { answer: 'ok', redisMs: startRedisMs + nowMs, parked: 0, sums: new Map() };
}

/** A flight and its memory, as loaded from this state. */
export function newFlight(state = shardState()): { readonly flight: Flight; readonly memory: ShardMemory } {
  const limits = shardLimits();
  const memory = new ShardMemory(limits);
  const flight = new Flight({ ...limits, random: steadyRandom() });
  memory.load(state);
  flight.load(state, 0, 0);
  return { flight, memory };
}

/** Counts one message with one event per customer into the open set. */
export function countCustomers(memory: ShardMemory, flight: Flight, customers: readonly string[]): void {
  const events = customers.map((customer) => usageEvent({ customer }));
  memory.count(
    origin(1, { producer: `producer-${flight.next}-${memory.open.messages}` }),
    events,
    flight.next,
    startRedisMs,
    requestsCatalog,
    0,
  );
}

/** A flight whose set of one entry per customer is committed. */
export function committed(...customers: readonly string[]): { readonly flight: Flight; readonly memory: ShardMemory } {
  const { flight, memory } = newFlight();
  countCustomers(memory, flight, customers);
  flight.seal(memory, requestsCatalog, true, 0);
  nextWrite(flight);
  flight.written(ok(), 0);
  return { flight, memory };
}

/** The write that is sent now. Totals that are asked for before are answered: there are none, or these. */
export function nextWrite(flight: Flight, nowMs = 0, goingOn = true, totals = new Map<string, string>()): JournalWrite {
  flight.tick(nowMs);
  let written = flight.nextWrite(nowMs, goingOn);
  if (written?.kind === 'read_totals') {
    flight.written(totalsAre(totals, nowMs), nowMs);
    written = flight.nextWrite(nowMs, goingOn);
  }
  if (written === undefined) throw new Error('Nothing is to be written.');
  return written;
}

/** Journals the attempts that have to be. */
export function mark(flight: Flight, nowMs = 0): void {
  const marking = nextWrite(flight, nowMs);
  if (marking.kind !== 'mark') throw new Error(`Instead of a mark it writes: ${marking.kind}.`);
  flight.written(ok(nowMs), nowMs);
}

export function takeCall(flight: Flight, nowMs = 0): Call {
  const taken = flight.calls.take(nowMs, '', requestsCatalog);
  if (taken === undefined) throw new Error('No call may start.');
  return taken;
}
