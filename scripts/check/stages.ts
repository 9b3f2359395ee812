/** What has to hold for the project, in the order in which a failure is cheapest to learn. */
export interface Stage {
  readonly name: string;
  readonly command: readonly string[];
  /** The stage ran for too long, and is ended, after this time. */
  readonly limitMs: number;
  /** The command writes its own count of tests to the file named here; otherwise the stage counts as one. */
  readonly countsTests: boolean;
}

const minuteMs = 60_000;
/** What fits into two minutes, and this many at least, from another start at every run. */
const seeds = ['--from', 'time', '--seconds', '120', '--seeds', '20000'];

export const stages: readonly Stage[] = [
  check('format', 2, 'oxfmt', '--check'),
  check('lint', 5, 'oxlint'),
  check('types', 5, 'tsc', '-p', '.'),
  tests('unit', 10),
  check('terraform', 20, 'node', 'scripts/terraform.ts'),
  check('simulation', 10, 'node', 'scripts/simulate.ts', ...seeds),
  check('mutants', 20, 'node', 'scripts/simulate.ts', '--mutants'),
  tests('integration', 30),
  tests('acceptance', 60),
  check('chaos', 15, 'node', 'scripts/failure/main.ts', '--tenth', 'today'),
];

function check(name: string, limitMinutes: number, ...command: readonly string[]): Stage {
  return { name, command, limitMs: limitMinutes * minuteMs, countsTests: false };
}

function tests(name: string, limitMinutes: number): Stage {
  const command = ['vitest', 'run', '--project', name];
  return { name, command, limitMs: limitMinutes * minuteMs, countsTests: true };
}
