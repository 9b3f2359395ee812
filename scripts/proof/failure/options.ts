import { parseArgs } from 'node:util';
import { type Case, cases, faultName, faults, whyNot } from './points/faults.ts';
import { pointNames, points } from './points/points.ts';

export const usage = `Usage: ./scripts/chaos [options]

Holds, kills, freezes and cuts off real processes on a real broker and a real Redis, and audits the bill afterwards.
Exit status: 0 only if every audit is exact.

  (nothing)         every durable step with every fault that has a meaning there
  --list            what those are, and why the others are none
  --tenth N         a tenth of them, 0 to 9; "today" takes another one every day
  --point NAME      only the cases at this point
  --fault NAME      only the cases with this fault
  --seed N          which time a point is reached counts, and the schedule of a soak  (the day's number)

  --soak DURATION   instead: load, and a fault every few seconds, for 90s, 10m or 1h
  --rate N          events per second of a soak                                       (20000)

  --takeovers N     instead: N times each a consumer is killed and one is drained under load, and it is measured how long
                    its shards count nothing

  --kubernetes      instead: on pods and nodes of a cluster; see --kubernetes --help
  --help
`;

export type ChaosOptions =
  | { readonly mode: 'list' }
  | { readonly mode: 'cases'; readonly cases: readonly Case[]; readonly seed: number; readonly which: string }
  | { readonly mode: 'soak'; readonly durationMs: number; readonly ratePerS: number; readonly seed: number }
  | { readonly mode: 'takeovers'; readonly rounds: number };

/** The arguments were not understood: `message` says which, in one sentence. */
export class UsageError extends Error {}

const tenths = 10;
const dayMs = 24 * 60 * 60 * 1_000;
const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000 } as const;
const standardRatePerS = 20_000;

/** Reads the command line; `help` when that is what was asked for. Throws a `UsageError`. */
export function parseOptions(args: readonly string[], nowMs: number): ChaosOptions | 'help' {
  const values = read(args);
  const day = Math.floor(nowMs / dayMs);
  const seed = values.seed === undefined ? day : whole('seed', values.seed, 0);
  const modes = (['list', 'soak', 'takeovers'] as const).filter((mode) => values[mode] !== undefined);
  const selecting = (['tenth', 'point', 'fault'] as const).filter((name) => values[name] !== undefined);
  if (modes.length > 1) throw new UsageError(`--${modes.join(' and --')} cannot be combined.`);
  const [mode] = modes;
  if (mode !== undefined && selecting.length > 0) {
    throw new UsageError(`--${selecting.join(', --')} selects cases, and --${mode} has none.`);
  }
  if (values.rate !== undefined && mode !== 'soak') throw new UsageError('--rate is the rate of a --soak.');
  if (values.help === true) return 'help';
  switch (mode) {
    case 'list':
      return { mode };
    case 'soak':
      return {
        mode,
        seed,
        durationMs: duration(values.soak ?? ''),
        ratePerS: values.rate === undefined ? standardRatePerS : whole('rate', values.rate, 1),
      };
    case 'takeovers':
      return { mode, rounds: whole('takeovers', values.takeovers ?? '', 1) };
    default:
      return { mode: 'cases', seed, ...select(values, day) };
  }
}

interface Selection {
  readonly tenth?: string | undefined;
  readonly point?: string | undefined;
  readonly fault?: string | undefined;
}

function select({ tenth, point, fault }: Selection, day: number): { cases: readonly Case[]; which: string } {
  let [selected, which] = [cases, 'all'];
  if (tenth !== undefined) {
    const place = tenth === 'today' ? day % tenths : whole('tenth', tenth, 0);
    if (place >= tenths) throw new UsageError(`--tenth is ${place}; there are the tenths 0 to ${tenths - 1}.`);
    selected = selected.filter((_, index) => index % tenths === place);
    which = `--tenth ${place}`;
  }
  const known = pointNames.find((name) => name === point);
  const wanted = faults.find((one) => faultName(one) === fault);
  if (point !== undefined && known === undefined) throw new UsageError(`There is no point "${point}"; see --list.`);
  if (fault !== undefined && wanted === undefined) throw new UsageError(`There is no fault "${fault}"; see --list.`);
  const reason = known === undefined || wanted === undefined ? undefined : whyNot(points[known], wanted);
  if (reason !== undefined) throw new UsageError(`${fault} at ${point} is no case: ${reason}.`);
  if (known !== undefined) selected = selected.filter((one) => one.point === known);
  if (wanted !== undefined) selected = selected.filter((one) => faultName(one.fault) === fault);
  return { cases: selected, which };
}

function whole(name: string, text: string, least: number): number {
  if (/^\d+$/.test(text) && Number(text) >= least && Number.isSafeInteger(Number(text))) return Number(text);
  throw new UsageError(`--${name} is "${text}"; it may be a whole number from ${least} on.`);
}

function duration(text: string): number {
  const [, number, unit] = /^([1-9]\d*)(s|m|h)$/.exec(text) ?? [];
  if (number === undefined || unit === undefined) {
    throw new UsageError(`--soak is "${text}"; it may be a duration like 90s, 10m or 1h.`);
  }
  return Number(number) * unitsMs[unit as keyof typeof unitsMs];
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        list: { type: 'boolean' },
        tenth: { type: 'string' },
        point: { type: 'string' },
        fault: { type: 'string' },
        seed: { type: 'string' },
        soak: { type: 'string' },
        rate: { type: 'string' },
        takeovers: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
