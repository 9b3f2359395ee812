/** Every command line, of users and of developers: none can be added without the conventions of `scripts/commands/program.ts`. */
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import type { Program } from '../../commands/program.ts';
import { type Attempt, attempt, wordsOf } from '../../commands/testing/attempt.ts';

const root = resolve(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Started by programs, never by a person. */
const startedByPrograms = [
  'scripts/lab/cluster/container-images.ts',
  'scripts/proof/image/image-files.ts',
  'scripts/proof/terraform/stand-in-provider.ts',
  // A bench of its service, which imports nothing of scripts/.
  'services/stripe-simulator/bench/load.ts',
];
const libraries = ['scripts/lab/audit.ts'];

const sources = globSync('{scripts,services,shared}/**/*.ts', {
  cwd: root,
  exclude: ['**/*.test.ts', '**/node_modules/**'],
});
const startable = sources.filter(
  (path) => /^if \(import\.meta\.main\)/m.test(read(path)) && !startedByPrograms.includes(path),
);

interface Command {
  /** As it is typed. */
  readonly line: string;
  readonly path: readonly string[];
  readonly make: () => Program;
}

const modules = await Promise.all(
  startable.map((path) => import(join(root, path)) as Promise<{ readonly program: () => Program }>),
);
const commands = modules.flatMap(({ program }) => commandsOf(program, [program().name()], []));

function commandsOf(make: () => Program, line: readonly string[], path: readonly string[]): Command[] {
  const command = commandAt(make(), path);
  const subcommands = command
    .createHelp()
    .visibleCommands(command)
    .map((one) => one.name());
  return [
    { line: line.join(' '), path, make },
    ...subcommands
      .filter((name) => name !== 'help')
      .flatMap((name) => commandsOf(make, [...line, name], [...path, name])),
  ];
}

function commandAt(program: Program, path: readonly string[]): Program {
  return path.reduce((command, name) => command.commands.find((one) => one.name() === name) as Program, program);
}

const groups = commands.filter(({ make, path }) => commandAt(make(), path).commands.length > 0);
const leaves = commands.filter((command) => !groups.includes(command));
const optionsWithValue = leaves.flatMap(({ line, path, make }) =>
  commandAt(make(), path)
    .options.filter((option) => option.required)
    .map((option) => ({ name: `${line} ${option.long}`, path, make, option: option.long ?? '' })),
);

/** The sentence of a mistake; throws for what is none, or is told in another way. */
function mistakeIn({ code, stdout, stderr }: Attempt): string {
  const [, sentence] = /^([^\n]+[.?])\nSee .+ --help\n$/.exec(stderr) ?? [];
  if (code === 64 && stdout === '' && sentence !== undefined && !sentence.startsWith('error:')) return sentence;
  throw new Error(`Not a mistake as it should be: ${JSON.stringify({ code, stdout, stderr })}`);
}

describe('no command line is forgotten:', () => {
  it('what a package script or a shell script starts', () => {
    const named = [packageJson.scripts, ...['demo', 'test', 'chaos'].map((name) => read(`scripts/${name}`))]
      .map((text) => JSON.stringify(text))
      .flatMap((text) => [...text.matchAll(/\bscripts\/[\w/-]+\.ts\b/g)].map(([path]) => path));
    expect(named.length).toBeGreaterThan(12);
    expect(named.filter((path) => !startable.includes(path))).toEqual([]);
    expect(Object.values(packageJson.bin).filter((path) => !startable.includes(path))).toEqual([]);
  });

  it('what stands at the top of lab/ and proof/', () => {
    const top = sources.filter((path) => /^scripts\/(lab|proof)\/[^/]+$/.test(path));
    expect(top.filter((path) => !startable.includes(path))).toEqual(libraries);
  });

  it('what reads arguments', () => {
    const readers = sources.filter((path) => /process\.argv|parseArgs/.test(read(path)));
    const allowed = [...startedByPrograms, ...startable, 'scripts/commands/program.ts', 'shared/lifecycle/host.ts'];
    expect(readers.filter((path) => !allowed.includes(path))).toEqual([]);
  });

  it('the commands of operators', () => {
    expect(commands.map(({ line }) => line)).toEqual(
      expect.arrayContaining([
        'tallyman topology',
        'tallyman entries resolve',
        'npm run simulate --',
        './scripts/chaos',
      ]),
    );
  });
});

describe.each(commands)('$line', ({ line, path, make }) => {
  it('shows its help, with an example', async () => {
    const { code, stdout, stderr } = await attempt(make(), [...path, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: ${line} `);
    expect(stdout).toMatch(/\nExamples:\n {2}\S/);
  });

  it('takes its own examples', async () => {
    const { stdout } = await attempt(make(), [...path, '--help']);
    const name = make().name().replace(/ --$/, '');
    for (const [, example = ''] of (stdout.split('Examples:\n')[1] ?? '').matchAll(/^ {2}(.+)$/gm)) {
      expect(example).toContain(name);
      const words = wordsOf(example.slice(example.indexOf(name) + name.length).replace(/( [>|] .*|\))$/, ''));
      const program = make();
      withoutActions(program);
      const result = await attempt(program, words[0] === '--' ? words.slice(1) : words);
      expect({ example, code: result.code, stderr: result.stderr }).toEqual({ example, code: 0, stderr: '' });
    }
  });

  it('shows the version', async () => {
    const expected = { code: 0, stdout: `${packageJson.version}\n`, stderr: '' };
    expect(await attempt(make(), [...path, '--version'])).toEqual(expected);
  });

  it('refuses an option that it does not know', async () => {
    expect(mistakeIn(await attempt(make(), [...path, '--bogus']))).toMatch(
      /^(Unknown option: --bogus|Missing (option|argument): )/,
    );
  });
});

it.each(optionsWithValue)('$name without a value is refused', async ({ path, make, option }) => {
  expect(mistakeIn(await attempt(make(), [...path, option]))).toContain(`Missing value: ${option}`);
});

it.each(groups)('$line names its commands when one is missing or unknown', async ({ path, make }) => {
  expect(mistakeIn(await attempt(make(), path))).toMatch(/^Missing command: .+ or /);
  expect(mistakeIn(await attempt(make(), [...path, 'bogus']))).toMatch(/^Unknown command: bogus\./);
});

it.each(leaves)('$line wants its operands, and no others', async ({ path, make }) => {
  const operands = commandAt(make(), path).registeredArguments;
  if (operands.some(({ required }) => required)) {
    expect(mistakeIn(await attempt(make(), path))).toMatch(/^Missing (argument|option): /);
  }
  if (operands.some(({ variadic }) => variadic)) return;
  const program = make();
  withoutActions(program);
  const choices = operands.map(({ argChoices, parseArg }) => argChoices?.[0] ?? (parseArg === undefined ? 'x' : '1'));
  const required = commandAt(program, path).options.filter(({ mandatory }) => mandatory);
  const given = [...path, ...required.flatMap(({ long = '' }) => [long, 'x']), ...choices];
  expect(await attempt(program, given)).toMatchObject({ code: 0 });
  expect(mistakeIn(await attempt(make(), [...given, 'surplus']))).toMatch(/^Expected \d+ arguments?, not \d+: /);
});

function withoutActions(program: Pick<Program, 'action' | 'commands'>): void {
  program.action(() => undefined);
  for (const command of program.commands) withoutActions(command as Program);
}

describe('without its settings', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'command-lines-'));
    writeFileSync(join(folder, 'meters.yaml'), 'meters: [{ event_name: calls }]');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const needing = leaves.filter(({ make, path }) => commandAt(make(), path).needs.length > 0);
  /** Beside operands and options that must be there. */
  const choices: Readonly<Record<string, readonly string[]>> = { 'tallyman entries resolve': ['--billed'] };

  it.each(needing)('$line exits with 78 and says which', async ({ line, path, make }) => {
    const { needs, options, registeredArguments } = commandAt(make(), path);
    for (const name of needs) vi.stubEnv(name, undefined);
    let said = '';
    const spy = vi.spyOn(console, 'error').mockImplementation((text: string) => {
      said += `${text}\n`;
    });
    const required = options
      .filter(({ mandatory }) => mandatory)
      .flatMap(({ long = '' }) => [long, join(folder, 'meters.yaml')]);
    const operands = registeredArguments.map(() => folder);
    const result = await attempt(make(), [...path, ...required, ...operands, ...(choices[line] ?? [])]);
    spy.mockRestore();
    vi.unstubAllEnvs();
    expect(result).toEqual({ code: 78, stdout: '', stderr: '' });
    for (const name of needs) expect(said).toContain(name);
  });

  it('is tried for every command that works on a cluster', () => {
    expect(needing.map(({ line }) => line).filter((line) => line.startsWith('tallyman')).length).toBeGreaterThan(11);
  });
});
