import { Option } from 'commander';
import { userInfo } from 'node:os';
import { closedStates, type EntryState, openStates } from '../../shared/journal/entry-states.ts';
import { maxShards } from '../../shared/topology/slots.ts';
import { type DecisionOptions, decisionOf, type EntriesCommand, type ListOptions, listOf } from './entries/options.ts';
import { duration, Program, valueOf, whole } from './program.ts';

const whyLengthMax = 300;
const knownStates: readonly EntryState[] = [...openStates, ...closedStates];

/** `run` takes what was asked for; the tests give another one. */
export function entriesCommand(run: (command: EntriesCommand) => number | Promise<number> = carriedOut): Program {
  const program = new Program('entries')
    .description(
      'Shows what Stripe did not take, and carries out what a person decides about it. Nothing is sent from here: the consumers ' +
        'send what is replayed.',
    )
    .examples(
      'tallyman entries list --summary',
      "tallyman entries replay --reason archived_meter --why 'reactivated, see ticket 12' --dry-run",
      "tallyman entries discard tm1-…-17 --why 'a test customer'",
    );
  const command = (name: string, description: string): Program =>
    program
      .command(name)
      .description(description)
      .option('--json', 'print one JSON object a line')
      .settings(['REDIS_URL'], ['TALLYMAN_NAMESPACE']);

  withFilters(
    command(
      'list',
      'Lists entries that are dead, in doubt, deferred or waiting for their replay, and closed ones with --state. Of accepted ' +
        'entries only replays are kept.',
    ),
  )
    .option('--summary', 'exact sums by reason, customer and meter')
    .option('--limit <N>', 'show at most so many (default: 100, with --json all)', whole(1))
    .examples('tallyman entries list --state dead --older-than 2h', 'tallyman entries list --summary')
    .runs<ListOptions>((options) => run(listOf(options)));
  command('show', 'Shows where one entry comes from, what was tried and answered, and who decided what.')
    .argument('<IDENTIFIER>', 'of the entry')
    .examples('tallyman entries show tm1-…-17')
    .runs<{ json?: boolean }>(({ json = false }, [identifier = '']) => run({ name: 'show', identifier, json }));

  const decision = (name: 'replay' | 'discard' | 'resolve', description: string): Program =>
    withFilters(command(name, description).argument('[IDENTIFIER...]', 'of entries, instead of filters'))
      .option('--all', 'decide about all of them, without a filter')
      .requiredOption(
        '--why <TEXT>',
        'kept with the entry, for whoever asks later',
        valueOf(`a text of 1 to ${whyLengthMax} characters`, whyOf),
      )
      .option('--by <NAME>', 'who decides', login())
      .option('--dry-run', 'only say what would be done')
      .runs<DecisionOptions>((options, identifiers) => run(decisionOf(name, identifiers, options)));
  decision(
    'replay',
    'Has dead entries sent again, each under a new identifier (…-r1), once their cause is gone.',
  ).examples("tallyman entries replay --reason archived_meter --why 'reactivated' --dry-run");
  decision(
    'discard',
    'Ends dead entries, which are then never billed; with --state also those in doubt or waiting.',
  ).examples("tallyman entries discard tm1-…-17 --why 'a test customer'");
  decision('resolve', 'Ends entries in doubt, as Stripe shows them: billed, or not billed, which replays them.')
    .addOption(new Option('--billed', 'Stripe has them').conflicts('notBilled'))
    .option('--not-billed', 'Stripe does not have them')
    .examples("tallyman entries resolve tm1-…-18 --billed --why 'in the event summaries of cus_1'");
  return program;
}

async function carriedOut(command: EntriesCommand): Promise<number> {
  const { entries } = await import('./entries/run.ts');
  return entries(command);
}

/** All of those that are given must hold. */
function withFilters(program: Program): Program {
  return program
    .option('--state <S,...>', knownStates.join(', '), valueOf(`of ${knownStates.join(', ')}`, statesOf))
    .option('--reason <TEXT>', 'the reason contains it')
    .option('--customer <ID>', 'of this customer')
    .option('--meter <NAME>', 'of this meter')
    .option('--account <ID>', 'of this connected account')
    .option('--shard <N>', 'of this shard', whole(0, maxShards - 1))
    .option('--older-than <TIME>', 'in its state for longer: 90s, 15m, 2h, 3d', duration)
    .option('--newer-than <TIME>', 'in its state for less', duration);
}

function statesOf(text: string): EntryState[] | undefined {
  const states = text.split(',').map((name) => knownStates.find((state) => state === name));
  return states.every((state) => state !== undefined) ? states : undefined;
}

function whyOf(text: string): string | undefined {
  const why = text.trim();
  return why === '' || why.length > whyLengthMax ? undefined : why;
}

/** A container's user may have no name. */
function login(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
