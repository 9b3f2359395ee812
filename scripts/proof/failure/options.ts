import { Option } from 'commander';
import { duration, Program, UsageError, valueOf, whole } from '../../commands/program.ts';
import { type Case, cases, faultName, faults, whyNot } from './points/faults.ts';
import { pointNames, points } from './points/points.ts';

export type ChaosOptions =
  | { readonly mode: 'list' }
  | { readonly mode: 'cases'; readonly cases: readonly Case[]; readonly seed: number; readonly which: string }
  | { readonly mode: 'soak'; readonly durationMs: number; readonly ratePerS: number; readonly seed: number }
  | { readonly mode: 'takeovers'; readonly rounds: number };

const tenths = 10;
const dayMs = 24 * 60 * 60 * 1_000;
const standardRatePerS = 20_000;
const tenthOf = valueOf(`today, or a whole number from 0 to ${tenths - 1}`, (text) =>
  text === 'today' ? text : /^\d$/.test(text) ? Number(text) : undefined,
);
const cutting = ['tenth', 'point', 'fault'];

interface CommandLine extends Selection {
  readonly list?: boolean;
  readonly seed: number;
  readonly soak?: number;
  readonly rate?: number;
  readonly takeovers?: number;
}

export function chaosProgram(run: (options: ChaosOptions) => number | Promise<number>, nowMs: number): Program {
  const day = Math.floor(nowMs / dayMs);
  return new Program('./scripts/chaos')
    .description(
      'Holds, kills, freezes and cuts off real processes on a real broker and a real Redis, and audits the bill afterwards. Without ' +
        'an option it takes every durable step with every fault that has a meaning there. Exits with 0 only if every audit is exact.',
    )
    .addOption(
      new Option('--list', 'what those are, and why the others are none').conflicts(['soak', 'takeovers', ...cutting]),
    )
    .option('--tenth <N>', 'a tenth of them, 0 to 9; "today" takes another one every day', tenthOf)
    .option('--point <NAME>', 'only the cases at this point')
    .option('--fault <NAME>', 'only the cases with this fault')
    .option('--seed <N>', 'which time a point is reached counts, and the schedule of a soak', whole(0), day)
    .addOption(
      new Option('--soak <DURATION>', 'instead: load, and a fault every few seconds, for 90s, 10m or 1h')
        .argParser(duration)
        .conflicts(['takeovers', ...cutting]),
    )
    .option('--rate <N>', `events per second of a soak (default: ${standardRatePerS})`, whole(1))
    .addOption(
      new Option(
        '--takeovers <N>',
        'instead: N times each a consumer is killed and one is drained under load, and it is measured how long its shards count nothing',
      )
        .argParser(whole(1))
        .conflicts(cutting),
    )
    .option('--kubernetes', 'instead: on pods and nodes of a cluster; see --kubernetes --help')
    .examples(
      './scripts/chaos --tenth today',
      './scripts/chaos --point seal --fault kill-redis',
      './scripts/chaos --soak 10m',
    )
    .runs<CommandLine>((options) => run(optionsOf(options, day)));
}

function optionsOf({ list, soak, rate, takeovers, seed, ...selection }: CommandLine, day: number): ChaosOptions {
  if (rate !== undefined && soak === undefined) throw new UsageError('--rate is the rate of a --soak');
  if (list === true) return { mode: 'list' };
  if (soak !== undefined) return { mode: 'soak', seed, durationMs: soak, ratePerS: rate ?? standardRatePerS };
  if (takeovers !== undefined) return { mode: 'takeovers', rounds: takeovers };
  return { mode: 'cases', seed, ...select(selection, day) };
}

interface Selection {
  readonly tenth?: number | 'today';
  readonly point?: string;
  readonly fault?: string;
}

function select({ tenth, point, fault }: Selection, day: number): { cases: readonly Case[]; which: string } {
  let [selected, which] = [cases, 'all'];
  if (tenth !== undefined) {
    const place = tenth === 'today' ? day % tenths : tenth;
    selected = selected.filter((_, index) => index % tenths === place);
    which = `--tenth ${place}`;
  }
  const known = pointNames.find((name) => name === point);
  const wanted = faults.find((one) => faultName(one) === fault);
  if (point !== undefined && known === undefined) throw new UsageError(`There is no point "${point}"; see --list`);
  if (fault !== undefined && wanted === undefined) throw new UsageError(`There is no fault "${fault}"; see --list`);
  const reason = known === undefined || wanted === undefined ? undefined : whyNot(points[known], wanted);
  if (reason !== undefined) throw new UsageError(`${fault} at ${point} is no case: ${reason}`);
  if (known !== undefined) selected = selected.filter((one) => one.point === known);
  if (wanted !== undefined) selected = selected.filter((one) => faultName(one.fault) === fault);
  return { cases: selected, which };
}
