import type { ClosedEntry, Entry, ParkedEntry } from '../../../../shared/journal/journal.ts';
import { amountOf, amountText } from './amount.ts';
import type { CommittedEntry } from './calls.ts';
import { laneOf, type Identity } from './intake.ts';
import type { Line } from './line.ts';
import type { Losses } from './losses.ts';
import type { RemadeMeters } from './remade.ts';
import type { Report } from './report.ts';
import { setName } from './set-name.ts';

export interface AccountInput {
  readonly identities: Iterable<Identity>;
  readonly committed: ReadonlyMap<string, CommittedEntry>;
  /** In the provider's ledger, by identifier. */
  readonly billed: ReadonlyMap<string, Entry>;
  /** What the journal keeps outside of its sets, by identifier. */
  readonly parked: ReadonlyMap<string, ParkedEntry | ClosedEntry>;
  readonly windowMs: number;
  readonly windowMaxMs: number;
  readonly dedupWindowMs: number;
  /** Meters that keep the newest value instead of adding. */
  readonly lastMeters: ReadonlySet<string>;
  readonly remade: RemadeMeters;
  readonly losses: Losses;
}

/** How often an event may and must have been counted. */
interface Allowance {
  readonly least: number;
  readonly most: number;
  readonly values: readonly bigint[];
}

/** Lines with more events of open outcome than this allows are not checked; the summary says how many. */
const combinationsMax = 20_000;

/**
 * The audit at the end: every line of the bill is made of the events that must be in it and any of those that may be. Bill
 * is what the provider has, and what the journal keeps of it for a person; each identifier counts once.
 */
export function checkAccount(input: AccountInput, report: Report): void {
  const held = checkEntries(input, report);
  const keys = new Keys(held.values());
  const windows = new Windows(input.windowMs, held.values(), keys);
  const torn = tornLines(input, windows, keys);
  for (const line of linesOf(input, held, windows, keys)) {
    if (torn.has(line.name)) {
      report.uncheckedLines++;
      continue;
    }
    const allowances = line.identities.map((identity) => allowanceOf(identity, input));
    const meter = line.entries[0]?.meter ?? line.identities[0]?.event.meter ?? '';
    if (input.remade.names.has(meter)) {
      if (!input.remade.check(line)) checkSum(line, allowances, report);
      else checkEvents(line, allowances, report);
    } else if (input.lastMeters.has(meter)) {
      if (line.entries.some(isSumOfUnknown)) checkEvents(line, allowances, report);
      else checkLast(line, allowances, report);
    } else checkSum(line, allowances, report);
  }
}

/** Every committed entry has one place. Returns all that are on the bill. */
function checkEntries(input: AccountInput, report: Report): Map<string, Entry> {
  const { committed, billed, parked, losses } = input;
  const held = new Map<string, Entry>();
  const replayed = new Set([...committed.values()].flatMap(({ replayOf }) => replayOf ?? []));
  for (const [identifier, { entry: fixed, isLost, replayOf }] of committed) {
    const record = parked.get(identifier);
    // As it was committed; but what was never sent is what it has become, and its line shows whether that is right.
    const entry = fixed.refusal !== undefined && record !== undefined ? record.entry : fixed;
    checkWindow(entry, input, report);
    if (replayed.has(identifier)) {
      if (billed.has(identifier)) report.violation(`${identifier} was replayed, and was billed itself.`);
      if (parked.has(identifier)) report.violation(`${identifier} was replayed, and is still in the journal.`);
      continue;
    }
    const isBilled = billed.has(identifier);
    const state = record?.state;
    if ((isLost || losses.isGone(identifier)) && !isBilled && state === undefined) continue;
    // Added to another one, which has its amount: the line shows whether it does.
    if (fixed.refusal !== undefined && replayOf === undefined && !isBilled && state === undefined) continue;
    held.set(identifier, entry);
    if (!isBilled && state === undefined)
      report.violation(`${identifier} was committed, and is neither billed nor in the journal.`);
    if (isBilled && areDimensionsLeftOut(entry)) report.violation(`${identifier} was billed without its dimensions.`);
    if (isBilled && input.lastMeters.has(entry.meter) && isSumOfUnknown(entry))
      report.violation(`${identifier} is a sum, and was billed to a meter of last values.`);
    if (isBilled && (state === 'dead' || state === 'discarded') && !losses.any)
      report.violation(`${identifier} is ${state} in the journal, and was billed.`);
    if (!isBilled && (state === 'accepted' || state === 'billed'))
      report.violation(`${identifier} is ${state} in the journal, and was not billed.`);
  }
  for (const identifier of parked.keys()) {
    if (!committed.has(identifier)) report.violation(`${identifier} is parked, and was never committed.`);
  }
  return held;
}

/** Lines of which a lost set has billed a part only: a sum too long for one entry, cut in two. */
function tornLines({ committed, billed }: AccountInput, windows: Windows, keys: Keys): Set<string> {
  const parts = new Map<string, { readonly line: string; billed: number; all: number }>();
  for (const [identifier, { entry, isLost, shard, set, token }] of committed) {
    if (!isLost) continue;
    const key = keys.of(laneOf(entry), entry.dimensions);
    const line = `${key} window ${windows.of(key, entry.timestamp * 1000)}`;
    const name = `${setName(shard, set, token)} ${line}`;
    const part = parts.get(name) ?? { line, billed: 0, all: 0 };
    parts.set(name, part);
    part.all++;
    if (billed.has(identifier)) part.billed++;
  }
  const torn = [...parts.values()].filter((part) => part.billed > 0 && part.billed < part.all);
  return new Set(torn.map(({ line }) => line));
}

/** Cut to the millisecond; by other means than what is checked. */
function msOf(seconds: number): number {
  return Math.floor(Number((seconds * 1000).toFixed(3)));
}

function linesOf(
  { identities }: AccountInput,
  held: ReadonlyMap<string, Entry>,
  windows: Windows,
  keys: Keys,
): Iterable<Line> {
  const lines = new Map<string, Line>();
  const lineOf = (name: string): Line => {
    const line = lines.get(name) ?? { name, identities: [], entries: [] };
    lines.set(name, line);
    return line;
  };
  for (const identity of identities) {
    const { timestamp, dimensions } = identity.event;
    const key = keys.of(identity.lane, dimensions);
    lineOf(`${key} window ${windows.of(key, msOf(timestamp))}`).identities.push(identity);
  }
  // By the time that the provider was told: a window that only the journal believes in would be no window.
  for (const entry of held.values()) {
    const key = keys.of(laneOf(entry), entry.dimensions);
    lineOf(`${key} window ${windows.of(key, entry.timestamp * 1000)}`).entries.push(entry);
  }
  return lines.values();
}

/** A window is one of those that are allowed, aligned, and holds what the provider is told to be the entry's time. */
function checkWindow(entry: Entry, { windowMs, windowMaxMs }: AccountInput, report: Report): void {
  const { identifier, windowStartMs, timestamp, windowMs: lengthMs = windowMs } = entry;
  // Refused entries that are too many are added up within longer ones.
  const isShort = windowMaxMs % lengthMs === 0;
  const isAllowed = (isShort || entry.refusal !== undefined) && lengthMs % windowMs === 0;
  const isIn = timestamp * 1000 >= windowStartMs && timestamp * 1000 < windowStartMs + lengthMs;
  if (isAllowed && isIn && windowStartMs % lengthMs === 0) return;
  report.violation(`${identifier} of ${timestamp} is in no window: ${windowStartMs} for ${lengthMs} ms.`);
}

/** Windows of different lengths, each made of whole ones of the shorter: what may have been counted together is one line. */
class Windows {
  readonly #windowMs: number;
  readonly #longest = new Map<string, { readonly startMs: number; readonly lengthMs: number }[]>();

  constructor(windowMs: number, entries: Iterable<Entry>, keys: Keys) {
    this.#windowMs = windowMs;
    for (const entry of entries) {
      const { windowStartMs: startMs, windowMs: lengthMs = windowMs } = entry;
      if (lengthMs === windowMs) continue;
      const key = keys.of(laneOf(entry), entry.dimensions);
      const known = this.#longest.get(key) ?? [];
      known.push({ startMs, lengthMs });
      this.#longest.set(
        key,
        known.sort((left, right) => right.lengthMs - left.lengthMs),
      );
    }
  }

  /** The longest window of the key's entries that holds this time. */
  of(key: string, timeMs: number): number {
    const longest = this.#longest
      .get(key)
      ?.find(({ startMs, lengthMs }) => timeMs >= startMs && timeMs < startMs + lengthMs);
    return longest?.startMs ?? timeMs - (timeMs % this.#windowMs);
  }
}

/**
 * What is counted together. Of a lane with too many refused entries some say that their dimensions were left out: then nobody can
 * tell which of its dimensions they are, and the whole lane is compared.
 */
class Keys {
  readonly #withoutDimensions: ReadonlySet<string>;

  constructor(entries: Iterable<Entry>) {
    const leftOut = [...entries].filter(areDimensionsLeftOut);
    this.#withoutDimensions = new Set(leftOut.map(laneOf));
  }

  of(lane: string, dimensions: Readonly<Record<string, string>> | undefined): string {
    if (this.#withoutDimensions.has(lane)) return `${lane} {…}`;
    const pairs = Object.entries(dimensions ?? {}).map(([key, value]) => `${key}=${value}`);
    return `${lane} {${pairs.sort().join(',')}}`;
  }
}

/** Added up while nobody could tell what its meter is: a person decides, unless it turns out to be a meter that adds up. */
function isSumOfUnknown({ refusal, events }: Entry): boolean {
  return refusal !== undefined && events > 1;
}

function areDimensionsLeftOut({ refusal }: Entry): boolean {
  return refusal?.includes('dimensions were left out') === true;
}

function allowanceOf(identity: Identity, { dedupWindowMs, losses, billed }: AccountInput): Allowance {
  const messages = [...identity.messages];
  const firstMs = Math.min(...messages.map(({ firstReachedMs }) => firstReachedMs));
  // Whatever reached the broker within the window of the first is the same event.
  const beyond = messages.filter(({ lastReachedMs }) => lastReachedMs > firstMs + dedupWindowMs).length;
  const lostCopies = messages.reduce((sum, { name }) => sum + losses.timesUncovered(name), 0);
  const copies = messages.length === 0 ? 0 : losses.any ? messages.length + lostCopies : 1 + beyond;
  const isBilled = (identifier: string): boolean => billed.has(identifier);
  const mayBeGone = messages.some(({ name }) => losses.mayBeGone(name, isBilled)) || losses.hasGoneOf(identity.lane);
  return {
    least: identity.accepted && !identity.isParkedInSpool && !mayBeGone ? 1 : 0,
    // An id that the sidecar made is not sent again by its client, so it stands in one message for ever.
    most: identity.event.idGenerated === true && !losses.any ? Math.min(1, copies) : copies,
    values: [...identity.values].map(amountOf),
  };
}

/** Sums, and counts of events, that the line may have; undefined when there are too many to try. */
function possibleTotals(allowances: readonly Allowance[]): Set<string> | undefined {
  // Most events leave no choice: they are added up first, so that only the others multiply.
  let certain = 0n;
  let certainEvents = 0;
  let open: [amount: bigint, events: number][] = [[0n, 0]];
  for (const allowance of allowances) {
    const { least, most, values } = allowance;
    const [value] = values;
    if (least === 1 && most === 1 && values.length === 1 && value !== undefined) {
      certain += value;
      certainEvents++;
      continue;
    }
    const choices = choicesOf(allowance);
    if (choices.length * open.length > combinationsMax) return undefined;
    open = open.flatMap(([amount, events]) =>
      choices.map(([added, copies]): [bigint, number] => [amount + added, events + copies]),
    );
  }
  return new Set(open.map(([amount, events]) => totalName(amount + certain, events + certainEvents)));
}

function totalName(amount: bigint, events: number): string {
  return `${amount}/${events}`;
}

function choicesOf({ least, most, values }: Allowance): [amount: bigint, copies: number][] {
  const choices: [bigint, number][] = [];
  let sums = [0n];
  for (let copies = 0; copies <= most; copies++) {
    if (copies >= least) for (const sum of sums) choices.push([sum, copies]);
    sums = [...new Set(sums.flatMap((sum) => values.map((value) => sum + value)))];
  }
  return choices;
}

function checkSum(line: Line, allowances: readonly Allowance[], report: Report): void {
  const amount = line.entries.reduce((sum, { value }) => sum + amountOf(value), 0n);
  const events = line.entries.reduce((sum, entry) => sum + entry.events, 0);
  const possible = possibleTotals(allowances);
  if (possible === undefined) report.uncheckedLines++;
  else report.checkedLines++;
  if (possible === undefined || possible.has(totalName(amount, events))) return;
  report.violation(
    `The bill is wrong. ${describe(line, allowances)} Billed: ${amountText(amount)} of ${events} events.`,
  );
}

/** What is on the bill stands for every event that must be there, and for none that may not. */
function checkEvents(line: Line, allowances: readonly Allowance[], report: Report): void {
  const events = line.entries.reduce((sum, entry) => sum + entry.events, 0);
  const least = allowances.reduce((sum, allowance) => sum + allowance.least, 0);
  const most = allowances.reduce((sum, allowance) => sum + allowance.most, 0);
  report.checkedLines++;
  if (events >= least && events <= most) return;
  report.violation(`The bill is wrong. ${describe(line, allowances)} Billed: ${events} events.`);
}

/** The newest value that is on the bill is the newest that must be there, or a newer one that may be. */
function checkLast(line: Line, allowances: readonly Allowance[], report: Report): void {
  const newest = line.entries.reduce<Entry | undefined>(
    (last, entry) => (last === undefined || entry.timestamp >= last.timestamp ? entry : last),
    undefined,
  );
  const candidates = line.identities.map(({ event }, index) => ({ event, allowance: allowances[index] }));
  const due = candidates.filter(({ allowance }) => (allowance?.least ?? 0) > 0);
  const dueMs = Math.max(...due.map(({ event }) => event.timestamp));
  const allowed = candidates.filter(({ event, allowance }) => (allowance?.most ?? 0) > 0 && event.timestamp >= dueMs);
  const isRight =
    newest === undefined
      ? due.length === 0
      : allowed.some(
          // As amounts: what was added up while its meter was not known has no trailing zeros any more.
          ({ event, allowance }) =>
            Math.floor(event.timestamp) === newest.timestamp && allowance?.values.includes(amountOf(newest.value)),
        );
  if (!isRight)
    report.violation(`The last value is wrong. ${describe(line, allowances)} Billed: ${newest?.value ?? 'nothing'}.`);
}

function describe(line: Line, allowances: readonly Allowance[]): string {
  const events = line.identities.map(({ event, messages }, index) => {
    const { least, most, values } = allowances[index] ?? { least: 0, most: 0, values: [] };
    const times = least === most ? String(least) : `${least} to ${most}`;
    const reached = [...messages].map(({ name, firstReachedMs }) => `${name} at ${(firstReachedMs / 1000).toFixed(3)}`);
    return `    ${event.id}: ${times} times ${values.map(amountText).join(' or ')} (${reached.join(', ')})`;
  });
  const entries = line.entries.map(
    ({ identifier, value, events: count }) => `    ${identifier}: ${value} of ${count} events`,
  );
  return `${line.name}\n  events:\n${events.join('\n')}\n  entries:\n${entries.join('\n')}\n `;
}
