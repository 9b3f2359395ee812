/** What has to hold for the project, in the order in which a failure is cheapest to learn. */
export interface Stage {
  readonly name: string;
  readonly command: readonly string[];
  /** The stage ran for too long, and is ended, after this time. */
  readonly limitMs: number;
  /** The command writes its own count of tests to the file named here; otherwise the stage counts as one. */
  readonly countsTests: boolean;
  /**
   * It mostly waits for brokers, leases and downloads, and asserts what happens rather than how fast: two such stages run
   * side by side where they follow each other.
   */
  readonly mayShare: boolean;
}

const minuteMs = 60_000;
/** What fits into a minute and a half, up to this many for three, from another start at every run. */
const seeds = ['--from', 'time', '--seconds', '90', '--seeds', '20000'];

export const stages: readonly Stage[] = [
  check('format', 2, 'oxfmt', '--check'),
  check('lint', 5, 'oxlint'),
  check('types', 5, 'tsc', '-p', '.'),
  tests('unit', 10),
  check('simulation', 10, 'node', 'scripts/proof/simulate.ts', ...seeds),
  check('mutants', 20, 'node', 'scripts/proof/simulate.ts', '--mutants'),
  check('shell-mutants', 5, 'node', 'scripts/proof/shell-mutants.ts'),
  // The longest first, so that those that share end at about the same time.
  sharing(tests('acceptance', 60)),
  sharing(tests('integration', 30)),
  sharing(check('chaos', 15, 'node', 'scripts/proof/failure/main.ts', '--tenth', 'today')),
  sharing(tests('containers', 20)),
  sharing(check('terraform', 20, 'node', 'scripts/proof/terraform.ts')),
  tests('timing', 30),
];

/** The stages in the groups that run one after the other; those of one group run side by side, two at a time. */
export function groupsOf(selected: readonly Stage[]): readonly (readonly Stage[])[] {
  const groups: Stage[][] = [];
  for (const stage of selected) {
    const last = groups.at(-1);
    if (stage.mayShare && last?.every(({ mayShare }) => mayShare) === true) last.push(stage);
    else groups.push([stage]);
  }
  return groups;
}

function check(name: string, limitMinutes: number, ...command: readonly string[]): Stage {
  return { name, command, limitMs: limitMinutes * minuteMs, countsTests: false, mayShare: false };
}

function tests(name: string, limitMinutes: number): Stage {
  const command = ['vitest', 'run', '--project', name];
  return { name, command, limitMs: limitMinutes * minuteMs, countsTests: true, mayShare: false };
}

function sharing(stage: Stage): Stage {
  return { ...stage, mayShare: true };
}
