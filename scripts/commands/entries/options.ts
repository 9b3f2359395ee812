import { type EntryState, openStates } from '../../../shared/journal/entry-states.ts';
import { oneOf, UsageError } from '../program.ts';
import type { EntryFilter } from './filter.ts';

/** As they stand on the command line. */
interface FilterOptions extends Omit<EntryFilter, 'states' | 'olderThanMs' | 'newerThanMs'> {
  readonly state?: readonly EntryState[];
  readonly olderThan?: number;
  readonly newerThan?: number;
}

export interface ListOptions extends FilterOptions {
  readonly summary?: boolean;
  readonly limit?: number;
  readonly json?: boolean;
}

export interface DecisionOptions extends FilterOptions {
  readonly all?: boolean;
  readonly why: string;
  readonly by: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly billed?: boolean;
  readonly notBilled?: boolean;
}

export type EntriesCommand =
  | ListCommand
  | DecisionCommand
  | { readonly name: 'show'; readonly identifier: string; readonly json: boolean };

export interface ListCommand {
  readonly name: 'list';
  readonly filter: EntryFilter;
  readonly limit: number;
  readonly summary: boolean;
  readonly json: boolean;
}

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

const standardLimit = 100;
/** What a decision may be made about, the first without being asked for. */
const decidable: Readonly<Record<DecisionCommand['name'], readonly EntryState[]>> = {
  replay: ['dead'],
  discard: ['dead', 'in_doubt', 'waiting'],
  resolve: ['in_doubt'],
};

export function listOf(options: ListOptions): ListCommand {
  const { summary = false, json = false, limit = json ? Number.POSITIVE_INFINITY : standardLimit } = options;
  return { name: 'list', filter: filterOf(options, openStates), limit, summary, json };
}

export function decisionOf(
  name: DecisionCommand['name'],
  identifiers: readonly string[],
  options: DecisionOptions,
): DecisionCommand {
  const { all = false, why, by, dryRun = false, json = false } = options;
  const allowed = decidable[name];
  const filter = filterOf(options, identifiers.length > 0 ? allowed : allowed.slice(0, 1));
  const isFiltered = options.state !== undefined || Object.keys(filter).length > 1;
  const chosen = [identifiers.length > 0, isFiltered, all].filter(Boolean).length;
  if (chosen === 0) throw new UsageError('Missing choice of entries: identifiers, filters or --all');
  if (chosen > 1) throw new UsageError('Identifiers, filters and --all cannot be combined');
  const wrong = [...filter.states].find((state) => !allowed.includes(state));
  if (wrong !== undefined) throw new UsageError(`${name} is for entries that are ${oneOf(allowed)}, not ${wrong}`);
  return { name, action: actionOf(name, options), identifiers, filter, why, by, dryRun, json };
}

function actionOf(name: DecisionCommand['name'], { billed, notBilled }: DecisionOptions): DecisionCommand['action'] {
  if (name === 'replay') return 'replay';
  if (name === 'discard') return 'discarded';
  if (billed === undefined && notBilled === undefined)
    throw new UsageError('Missing option: --billed or --not-billed; find out at Stripe which of them is true');
  return billed === true ? 'billed' : 'replay';
}

function filterOf(options: FilterOptions, standardStates: readonly EntryState[]): EntryFilter {
  const { state = standardStates, reason, customer, meter, account, shard, olderThan, newerThan } = options;
  return {
    states: new Set(state),
    ...(reason === undefined ? {} : { reason }),
    ...(customer === undefined ? {} : { customer }),
    ...(meter === undefined ? {} : { meter }),
    ...(account === undefined ? {} : { account }),
    ...(shard === undefined ? {} : { shard }),
    ...(olderThan === undefined ? {} : { olderThanMs: olderThan }),
    ...(newerThan === undefined ? {} : { newerThanMs: newerThan }),
  };
}
