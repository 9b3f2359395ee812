import { EntriesMovingError, EntryBook, type FoundEntry, shardsToLookAt } from '../../../shared/journal/entry-book.ts';
import { readTopology } from '../../../shared/topology/record.ts';
import { onRedis, type RedisPlace } from '../backing.ts';
import { exitCodes } from '../program.ts';
import { decide, type DecisionReport } from './decide.ts';
import { type EntryFilter, isWanted } from './filter.ts';
import type { DecisionCommand, EntriesCommand, ListCommand } from './options.ts';
import { Progress } from './progress.ts';
import { describe, describeInSet, plain, plainGroup, summaryTable, table } from './report.ts';
import { Summary } from './summary.ts';

const interruptedExitCode = 130;

/** What Stripe did not take, and what a person decides about it. */
export function entries(command: EntriesCommand): Promise<number> {
  return onRedis(process.env, (place) => run(command, place));
}

async function run(command: EntriesCommand, { redis, namespace }: RedisPlace): Promise<number> {
  const topology = await readTopology(redis, namespace);
  if (topology === 'missing') {
    console.error(
      `Redis has no topology of ${namespace}: it is not the Redis of this cluster, or it has lost its data. See tallyman topology and tallyman recover. Nothing was changed.`,
    );
    return exitCodes.refused;
  }
  const book = new EntryBook(redis, namespace);
  switch (command.name) {
    case 'list':
      return list(command, book, topology.shards);
    case 'show':
      return show(command.identifier, command.json, book);
    case 'replay':
    case 'discard':
    case 'resolve':
      return carryOut(command, book, topology.shards);
  }
}

async function list(command: ListCommand, book: EntryBook, shards: number): Promise<number> {
  const { filter, limit, json } = command;
  const nowMs = await book.now();
  if (command.summary) return summarize(command, book, shards, nowMs);
  const shown: FoundEntry[] = [];
  let wanted = 0;
  for await (const found of wantedEntries(filter, book, shards, nowMs)) {
    if (++wanted > limit) continue;
    if (json) console.log(JSON.stringify(plain(found)));
    else shown.push(found);
  }
  if (json) return exitCodes.done;
  if (shown.length > 0) console.log(table(shown, nowMs));
  const more = wanted > shown.length ? `, ${wanted - shown.length} of them not shown (--limit)` : '';
  console.log(`${countOf(wanted)}${more}.${onlyReplays(filter)}`);
  return exitCodes.done;
}

async function summarize(
  { filter, limit, json }: ListCommand,
  book: EntryBook,
  shards: number,
  nowMs: number,
): Promise<number> {
  const summary = new Summary();
  for await (const found of wantedEntries(filter, book, shards, nowMs)) summary.add(found);
  const shown = summary.groups.slice(0, limit);
  if (json) {
    for (const group of shown) console.log(JSON.stringify(plainGroup(group)));
    return exitCodes.done;
  }
  if (shown.length > 0) console.log(summaryTable(shown, nowMs));
  const hidden = summary.groups.length - shown.length;
  const more = hidden > 0 ? `, in ${hidden} more lines (--limit)` : '';
  console.log(`${countOf(summary.entries)}${more}.${onlyReplays(filter)}`);
  return exitCodes.done;
}

async function* wantedEntries(filter: EntryFilter, book: EntryBook, shards: number, nowMs: number) {
  for (const shard of shardsToLookAt(filter.states, shards)) {
    if (filter.shard !== undefined && filter.shard !== shard) continue;
    for await (const found of book.list(shard, filter.states)) if (isWanted(found, filter, nowMs)) yield found;
  }
}

/** Who asks for accepted entries and sees few, or none, must not think that little was billed. */
function onlyReplays({ states }: EntryFilter): string {
  if (!states.has('accepted')) return '';
  return ' Of accepted entries only replays are listed; `show` finds every one of the last 7 days.';
}

async function show(identifier: string, json: boolean, book: EntryBook): Promise<number> {
  const found = await book.find(identifier);
  if (found !== undefined) {
    console.log(json ? JSON.stringify(plain(found)) : describe(found));
    return exitCodes.done;
  }
  const inSet = await book.findInSet(identifier);
  if (inSet === undefined) {
    console.error(
      `The journal knows nothing of ${identifier}. It keeps accepted entries for 7 days; older ones are in the hourly totals only.`,
    );
    return exitCodes.refused;
  }
  console.log(json ? JSON.stringify({ identifier, ...inSet }) : describeInSet(inSet));
  return exitCodes.done;
}

async function carryOut(command: DecisionCommand, book: EntryBook, shards: number): Promise<number> {
  let isInterrupted = false;
  const interrupt = (): void => {
    isInterrupted = true;
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const progress = new Progress(process.stderr, 'entries looked at');
  const reasons = new Map<string, number>();
  const decided = decide({
    book,
    shards,
    command,
    nowMs: await book.now(),
    progress: (done, of) => progress.show(done, of),
    tell: (found) => {
      const { state, record } = found;
      const reason = `${state}: ${record.reason.split(':', 1)[0]}`;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      if (command.json) console.log(JSON.stringify(plain(found)));
    },
    isInterrupted: () => isInterrupted,
  });
  let report;
  try {
    report = await decided;
  } catch (error) {
    if (!(error instanceof EntriesMovingError)) throw error;
    console.error(error.message);
    return exitCodes.unavailable;
  } finally {
    progress.end();
  }
  for (const refused of report.refused) console.error(refused);
  if (!command.json) {
    for (const [reason, count] of reasons) console.log(`${String(count).padStart(8)}  ${reason}`);
    console.log(sentenceOf(command, report));
  }
  if (report.interrupted) {
    console.error('Interrupted. Run the same again for the others: what is done is not done twice.');
    return interruptedExitCode;
  }
  return report.refused.length > 0 ? exitCodes.refused : exitCodes.done;
}

function sentenceOf({ action, dryRun }: DecisionCommand, { chosen, done }: DecisionReport): string {
  if (dryRun) return `${countOf(chosen)} would be ${action === 'replay' ? 'replayed' : action}. Nothing was changed.`;
  const missed = chosen - done;
  const others = missed === 0 ? '' : ` ${countOf(missed)} had changed meanwhile, and ${isOrAre(missed)} left alone.`;
  if (action !== 'replay') return `${countOf(done)} ${isOrAre(done)} ${action} now.${others}`;
  return `${countOf(done)} ${isOrAre(done)} on the way: the consumers send them under new identifiers.${others}`;
}

function countOf(entries: number): string {
  return `${entries} ${entries === 1 ? 'entry' : 'entries'}`;
}

function isOrAre(count: number): string {
  return count === 1 ? 'is' : 'are';
}
