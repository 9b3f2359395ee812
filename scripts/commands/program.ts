/**
 * The conventions of every command line here, shipped or not: `--help` and `--version` exit with 0, a mistake in the arguments is
 * one sentence on stderr and where the help is, and exits with 64.
 */
import { Command, CommanderError, type HelpContext, InvalidArgumentError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };

/** Exit codes of the commands a person runs; the numbers are those of sysexits.h. */
export const exitCodes = { done: 0, refused: 1, usage: 64, unavailable: 69, config: 78 } as const;

/** As shells report a program that wrote to a closed pipe. */
const brokenPipeExitCode = 141;

/** What is wrong with the arguments, in one sentence; for what the declaration of the options cannot say. */
export class UsageError extends Error {}

/** Answers the exit code. */
type Run<Options> = (options: Options, operands: readonly string[]) => number | Promise<number>;

/** `name` of a root is what a person types before the options. */
export class Program extends Command {
  #exitCode: number = exitCodes.done;
  /** Without these in the environment it exits with 78. */
  needs: readonly string[] = [];

  constructor(name?: string) {
    super(name);
    this.exitOverride()
      .configureHelp({
        subcommandDescription: (command) =>
          command
            .description()
            .split(/\.(?:\s|$)/, 1)
            .join(''),
      })
      .enablePositionalOptions()
      .version(packageJson.version, '-V, --version', 'show the version')
      .helpOption('-h, --help', 'show this help');
  }

  override createCommand(name?: string): Program {
    return new Program(name);
  }

  examples(...lines: readonly string[]): this {
    return this.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`);
  }

  /** Settings of the environment: those that have to be there, and others. */
  settings(needs: readonly string[], others: readonly string[] = []): this {
    this.needs = needs;
    const named = [...needs, ...others.map((name) => `[${name}]`)].join(', ');
    return this.addHelpText('after', `\nSettings, from the environment: ${named}`);
  }

  runs<Options extends object>(run: Run<Options>): this {
    return this.action(async () => {
      try {
        this.#root.#exitCode = await run(this.opts<Options>(), this.args);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        this.error(error.message);
      }
    });
  }

  async execute(args: readonly string[]): Promise<number> {
    try {
      await this.parseAsync([...args], { from: 'user' });
      return this.#exitCode;
    } catch (error) {
      if (error instanceof CommanderError) return error.exitCode;
      throw error;
    }
  }

  override error(message: string): never {
    this.configureOutput().writeErr?.(`${sentenceOf(message)}\nSee ${this.#path} --help\n`);
    throw new CommanderError(exitCodes.usage, 'tallyman.usage', message);
  }

  override help(context?: HelpContext | ((help: string) => string)): never {
    if (typeof context === 'object' && context.error) {
      this.error(`Missing command: ${oneOf(this.#commandNames())}`);
    }
    return super.help(typeof context === 'function' ? undefined : context);
  }

  #commandNames(): readonly string[] {
    const commands = this.createHelp().visibleCommands(this);
    return commands.map((command) => command.name()).filter((name) => name !== 'help');
  }

  get #root(): Program {
    return this.parent instanceof Program ? this.parent.#root : this;
  }

  get #path(): string {
    return this.parent instanceof Program ? `${this.parent.#path} ${this.name()}` : this.name();
  }
}

/** All that a file does that is started. `failure` begins the message of what went wrong; without it, it has a stack trace. */
export async function main(program: Program, failure?: string): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read it has seen enough.
    if (error.code === 'EPIPE') process.exit(brokenPipeExitCode);
    throw error;
  });
  const code = await program.execute(process.argv.slice(2)).catch((error: unknown) => {
    if (failure === undefined) throw error;
    console.error(`${failure}: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  });
  // What does not answer would keep the process alive; what was printed is out first.
  process.stdout.write('', () => process.exit(code));
}

/** Reads an option's value; `undefined` from `read` is a mistake, and `allowed` says what it must be. */
export function valueOf<T>(allowed: string, read: (text: string) => T | undefined): (text: string) => T {
  return (text) => {
    const value = read(text);
    if (value === undefined) throw new InvalidArgumentError(allowed);
    return value;
  };
}

export function whole(least: number, most = 999_999_999): (text: string) => number {
  return valueOf(`a whole number from ${least} to ${most}`, (text) =>
    /^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined,
  );
}

export function positive(text: string): number {
  return valueOf('a number above 0', (given) =>
    /^\d{1,9}(\.\d{1,9})?$/.test(given) && Number(given) > 0 ? Number(given) : undefined,
  )(text);
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds. */
export function duration(text: string): number {
  return valueOf('a duration like 90s, 15m, 2h or 3d', (given) => {
    const [, count, unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(given) ?? [];
    return count === undefined ? undefined : Number(count) * (unitsMs[unit] ?? 0);
  })(text);
}

export function oneOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

/** Commander's messages as sentences; the first pattern that fits. */
const phrasings: readonly (readonly [RegExp, string])[] = [
  [/^unknown (option|command) '(.*)'$/, 'Unknown $1: $2'],
  [/^missing required argument '(.*)'$/, 'Missing argument: $1'],
  [/^option '(.*)' argument missing$/, 'Missing value: $1'],
  [/^required option '(.*)' not specified$/, 'Missing option: $1'],
  [/^option '([^ ']+).*' cannot be used with option '([^ ']+).*'$/, 'Options $1 and $2 cannot be combined'],
  [/^option '([^ ']+).*' argument '(.*)' is invalid\. (.*)$/s, '$1 must be $3, not "$2"'],
  [/^command-argument value '(.*)' is invalid for argument '(.*)'\. (.*)$/s, '<$2> must be $3, not "$1"'],
  [/^too many arguments.* Expected (.*) but got (\d+): (.*)\.$/s, 'Expected $1, not $2: $3'],
];

function sentenceOf(message: string): string {
  const [, bare = '', suggestion] =
    /^(?:error: )?(.*?)(?:\n\(Did you mean (.*)\?\))?$/s.exec(
      message.replace(/Allowed choices are (.*)\.$/, 'one of $1'),
    ) ?? [];
  const phrasing = phrasings.find(([pattern]) => pattern.test(bare));
  const sentence = (phrasing === undefined ? bare : bare.replace(...phrasing)).replace(/\.$/, '');
  return suggestion === undefined ? `${sentence}.` : `${sentence}; did you mean ${suggestion}?`;
}
