import { parseArgs } from 'node:util';
import { closedStates, type EntryState, openStates } from '../../../shared/journal/entry-book.ts';
import type { EntryFilter } from './filter.ts';

export const usage = `npm run entries -- list    [FILTER …] [--summary] [--limit N] [--json]
npm run entries -- show    IDENTIFIER [--json]
npm run entries -- replay  IDENTIFIER … | FILTER … | --all   --why TEXT [--by NAME] [--dry-run] [--json]
npm run entries -- discard IDENTIFIER … | FILTER … | --all   --why TEXT [--by NAME] [--dry-run] [--json]
npm run entries -- resolve IDENTIFIER … | FILTER … | --all   --billed | --not-billed   --why TEXT [--by NAME] [--dry-run] [--json]

What Stripe did not take, in the journals of REDIS_URL. Nothing is sent from here: the consumers send what is replayed.

  list      entries that are dead, in doubt, deferred or waiting for their replay; closed ones with --state.
            Of accepted entries only replays are kept; --summary adds up by reason, customer and meter
  show      where one entry comes from, what was tried and answered, and who decided what
  replay    has dead entries sent again, each under a new identifier (…-r1), once their cause is gone
  discard   ends dead entries (with --state also those in doubt or waiting): they are not to be billed
  resolve   ends entries in doubt, as reconciliation found them: Stripe has them (--billed), or has not, then they are replayed

Filters, all of which must hold:
  --state S,…      ${[...openStates, ...closedStates].join(', ')}
  --reason TEXT    that stands in the reason
  --customer ID    --meter NAME    --account ID    --shard N
  --older-than T   --newer-than T  in this state: 90s, 15m, 2h, 3d

  --all            for replay, discard and resolve without a filter
  --why TEXT       kept with the entry, for whoever asks later
  --by NAME        who decided it (your login name)
  --dry-run        says what would be done
  --summary        amounts by reason, customer and meter, exact
  --limit N        list at most so many (100; with --json all)
  --json           one JSON object a line
`;

export type Command =
  | {
      readonly name: 'list';
      readonly filter: EntryFilter;
      readonly limit: number;
      readonly summary: boolean;
      readonly json: boolean;
    }
  | { readonly name: 'show'; readonly identifier: string; readonly json: boolean }
  | DecisionCommand;

export interface DecisionCommand {
  readonly name: 'replay' | 'discard' | 'resolve';
  /** `resolve` to a replay, when Stripe does not have it. */
  readonly action: 'replay' | 'discarded' | 'billed';
  /** Instead of the filter, when they are named. */
  readonly identifiers: readonly string[];
  readonly filter: EntryFilter;
  readonly why: string;
  readonly by: string;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** The arguments were not understood: one sentence that says which. */
export class UsageError extends Error {}

const standardLimit = 100;
const whyLengthMax = 300;
/** What a decision may be made about, the first without being asked for. */
const decidable: Readonly<Record<DecisionCommand['name'], readonly EntryState[]>> = {
  replay: ['dead'],
  discard: ['dead', 'in_doubt', 'waiting'],
  resolve: ['in_doubt'],
};

/** Reads the command line; `help` when that is what was asked for. `login` is who decides unless said otherwise. */
export function parseOptions(args: readonly string[], login: string): Command | 'help' {
  const { values, positionals } = read(args);
  if (values.help === true) return 'help';
  const [name, ...identifiers] = positionals;
  const json = values.json === true;
  switch (name) {
    case 'list':
      if (identifiers.length > 0) throw new UsageError('list takes no identifier; show does.');
      refuse(values, ['why', 'by', 'dry-run', 'all', 'billed', 'not-billed'], name);
      return {
        name,
        filter: filterOf(values, openStates),
        limit: limitOf(values.limit, json),
        summary: values.summary === true,
        json,
      };
    case 'show': {
      const [identifier] = identifiers;
      if (identifier === undefined || identifiers.length > 1) throw new UsageError('show takes one identifier.');
      refuse(values, [...filterNames, 'why', 'by', 'dry-run', 'all', 'billed', 'not-billed', 'limit', 'summary'], name);
      return { name, identifier, json };
    }
    case 'replay':
    case 'discard':
    case 'resolve':
      refuse(values, name === 'resolve' ? ['limit', 'summary'] : ['limit', 'summary', 'billed', 'not-billed'], name);
      return decisionOf(name, identifiers, values, login);
    default:
      throw new UsageError(
        name === undefined
          ? 'Name a command: list, show, replay, discard or resolve.'
          : `There is no command ${JSON.stringify(name)}.`,
      );
  }
}

const filterNames = ['state', 'reason', 'customer', 'meter', 'account', 'shard', 'older-than', 'newer-than'] as const;

function read(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...{ state: text, reason: text, customer: text, meter: text, account: text, shard: text },
        ...{ 'older-than': text, 'newer-than': text, limit: text, why: text, by: text },
        ...{ billed: flag, 'not-billed': flag, 'dry-run': flag, all: flag, json: flag, summary: flag, help: flag },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

type Values = ReturnType<typeof read>['values'];

function refuse(values: Values, names: readonly (keyof Values)[], command: string): void {
  const given = names.find((name) => values[name] !== undefined);
  if (given !== undefined) throw new UsageError(`${command} takes no --${given}.`);
}

function decisionOf(
  name: DecisionCommand['name'],
  identifiers: readonly string[],
  values: Values,
  login: string,
): DecisionCommand {
  const isFiltered = filterNames.some((filter) => values[filter] !== undefined);
  const chosen = [identifiers.length > 0, isFiltered, values.all === true].filter(Boolean).length;
  if (chosen !== 1) throw new UsageError(`${name} takes identifiers, or filters, or --all: one of them.`);
  const { why = '', by = login } = values;
  if (why.trim() === '') throw new UsageError('--why is missing: it is kept with the entry, for whoever asks later.');
  if (why.length > whyLengthMax) throw new UsageError(`--why is longer than ${whyLengthMax} characters.`);
  const allowed = decidable[name];
  const standard = identifiers.length > 0 ? allowed : allowed.slice(0, 1);
  const filter = filterOf(values, standard);
  const wrong = [...filter.states].find((state) => !allowed.includes(state));
  if (wrong !== undefined)
    throw new UsageError(`${name} is for entries that are ${allowed.join(' or ')}, not ${wrong}.`);
  return {
    name,
    action: actionOf(name, values),
    identifiers,
    filter,
    why: why.trim(),
    by,
    dryRun: values['dry-run'] === true,
    json: values.json === true,
  };
}

function actionOf(name: DecisionCommand['name'], values: Values): DecisionCommand['action'] {
  if (name === 'replay') return 'replay';
  if (name === 'discard') return 'discarded';
  const { billed = false, 'not-billed': notBilled = false } = values;
  if (billed === notBilled)
    throw new UsageError('resolve takes --billed, or --not-billed: which of them has to be found out at Stripe first.');
  return billed ? 'billed' : 'replay';
}

function filterOf(values: Values, standardStates: readonly EntryState[]): EntryFilter {
  const { reason, customer, meter, account, shard } = values;
  const olderThanMs = durationOf('older-than', values['older-than']);
  const newerThanMs = durationOf('newer-than', values['newer-than']);
  return {
    states: new Set(values.state === undefined ? standardStates : statesOf(values.state)),
    ...(reason === undefined ? {} : { reason }),
    ...(customer === undefined ? {} : { customer }),
    ...(meter === undefined ? {} : { meter }),
    ...(account === undefined ? {} : { account }),
    ...(shard === undefined ? {} : { shard: shardOf(shard) }),
    ...(olderThanMs === undefined ? {} : { olderThanMs }),
    ...(newerThanMs === undefined ? {} : { newerThanMs }),
  };
}

function statesOf(text: string): EntryState[] {
  const known: readonly EntryState[] = [...openStates, ...closedStates];
  return text.split(',').map((name) => {
    const state = known.find((candidate) => candidate === name);
    if (state === undefined) throw new UsageError(`--state has "${name}"; there are ${known.join(', ')}.`);
    return state;
  });
}

function shardOf(text: string): number {
  if (/^\d{1,2}$/.test(text)) return Number(text);
  throw new UsageError(`--shard is "${text}"; it may be a number from 0 to 63.`);
}

function limitOf(text: string | undefined, json: boolean): number {
  if (text === undefined) return json ? Number.POSITIVE_INFINITY : standardLimit;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`--limit is "${text}"; it may be a whole number from 1.`);
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function durationOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count === undefined) throw new UsageError(`--${name} is "${text}"; it may be like 90s, 15m, 2h or 3d.`);
  return Number(count) * (unitsMs[unit] ?? 0);
}
