import type { Command } from 'commander';
import type { Program } from '../program.ts';

export interface Attempt {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, and hears what the parser says. */
export async function attempt(program: Program, args: readonly string[]): Promise<Attempt> {
  let [stdout, stderr] = ['', ''];
  const listen = (command: Command): void => {
    command.configureOutput({
      writeOut: (text) => {
        stdout += text;
      },
      writeErr: (text) => {
        stderr += text;
      },
    });
    for (const subcommand of command.commands) listen(subcommand);
  };
  listen(program);
  const code = await program.execute(args);
  return { code, stdout, stderr };
}

/** The words of a line, as a shell takes them. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '');
}
