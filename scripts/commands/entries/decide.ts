import { placeOf } from '../../../shared/journal/replay.ts';
import type { EntryBook, FoundEntry } from '../../../shared/journal/entry-book.ts';
import { isWanted } from './filter.ts';
import type { DecisionCommand } from './options.ts';

export interface DecisionReport {
  /** Entries that the decision is about. */
  readonly chosen: number;
  /** Those that are decided now: the others were changed meanwhile, by their shard or another person. */
  readonly done: number;
  /** Named, and not there, or in another state. */
  readonly refused: readonly string[];
  readonly interrupted: boolean;
}

export interface DecisionRun {
  readonly book: EntryBook;
  readonly shards: number;
  readonly command: DecisionCommand;
  readonly nowMs: number;
  readonly progress: (done: number, of: number) => void;
  /** Told of every entry that is decided, or would be. */
  readonly tell: (found: FoundEntry) => void;
  readonly isInterrupted: () => boolean;
}

const chunk = 200;

/**
 * Decides about entries, some hundred with each write, which is all or nothing. It may be interrupted anywhere and run again:
 * what is decided is not chosen any more.
 */
export async function decide(run: DecisionRun): Promise<DecisionReport> {
  const { command } = run;
  return command.identifiers.length > 0 ? decideNamed(run) : decideFiltered(run);
}

async function decideNamed(run: DecisionRun): Promise<DecisionReport> {
  const { book, command, nowMs } = run;
  const refused: string[] = [];
  let chosen = 0;
  let done = 0;
  for (const identifier of new Set(command.identifiers)) {
    if (run.isInterrupted()) return { chosen, done, refused, interrupted: true };
    const found = await book.find(identifier);
    if (found === undefined) refused.push(`${identifier}: ${await whyMissing(book, identifier)}`);
    else if (!isWanted(found, command.filter, nowMs))
      refused.push(`${identifier}: it is ${found.state}, not ${[...command.filter.states].join(' or ')}.`);
    else if (found.record.entry.identifier !== identifier)
      refused.push(`${identifier}: it goes under ${found.record.entry.identifier} since it was replayed.`);
    else {
      chosen++;
      done += await apply(run, found.shard, [found]);
      run.progress(chosen, command.identifiers.length);
    }
  }
  return { chosen, done, refused, interrupted: false };
}

async function whyMissing(book: EntryBook, identifier: string): Promise<string> {
  if (placeOf(identifier) === undefined) return 'that is no identifier of an entry.';
  const inSet = await book.findInSet(identifier);
  if (inSet === undefined) return 'the journal knows nothing of it.';
  if (inSet.isAddedUp) return 'it was never sent, and its amount is part of another entry of its customer and meter.';
  return inSet.isAccepted ? 'it is billed.' : 'its set is on its way.';
}

async function decideFiltered(run: DecisionRun): Promise<DecisionReport> {
  const { book, command, nowMs } = run;
  const { filter } = command;
  const shards = filter.shard === undefined ? Array.from({ length: run.shards }, (_, shard) => shard) : [filter.shard];
  let looked = 0;
  let chosen = 0;
  let done = 0;
  let of = 0;
  for (const shard of shards) of += await book.count(shard, filter.states);
  for (const shard of shards) {
    let pending: FoundEntry[] = [];
    for await (const found of book.list(shard, filter.states)) {
      if (run.isInterrupted()) return { chosen: chosen - pending.length, done, refused: [], interrupted: true };
      run.progress(++looked, of);
      if (!isWanted(found, filter, nowMs)) continue;
      chosen++;
      pending.push(found);
      if (pending.length < chunk) continue;
      done += await apply(run, shard, pending);
      pending = [];
    }
    done += await apply(run, shard, pending);
  }
  return { chosen, done, refused: [], interrupted: false };
}

/** Answers how many are decided now. */
async function apply(run: DecisionRun, shard: number, found: readonly FoundEntry[]): Promise<number> {
  const { book, command } = run;
  if (found.length === 0) return 0;
  if (command.dryRun) {
    for (const entry of found) run.tell(entry);
    return found.length;
  }
  const decision = { by: command.by, why: command.why, atMs: await book.now() };
  const decided =
    command.action === 'replay'
      ? await book.replay(shard, found, decision)
      : await book.close(shard, found, command.action, decision);
  for (const entry of found) if (decided.has(entry.record.entry.identifier)) run.tell(entry);
  return decided.size;
}
