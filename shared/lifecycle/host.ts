import type { LogDestination } from '../log/log.ts';

export type Signal = 'SIGTERM' | 'SIGINT';

/** What `runService` needs of the process it is in; a test gives another one. `write` takes the lines of the log. */
export interface Host extends LogDestination {
  readonly args: readonly string[];
  onSignal(listener: (signal: Signal) => void): void;
  /** What a library prints on the console as a warning, which would be no line of the log. */
  onWarning(listener: (text: string) => void): void;
  onFatal(listener: (error: unknown) => void): void;
  writeError(text: string): void;
  exit(code: number): void;
}

export const processHost: Host = {
  args: process.argv.slice(2),
  onSignal(listener) {
    process.on('SIGTERM', listener);
    process.on('SIGINT', listener);
  },
  onWarning(listener) {
    Object.assign(console, { warn: (...words: unknown[]) => listener(words.map(String).join(' ')) });
  },
  onFatal(listener) {
    process.on('uncaughtException', listener);
    process.on('unhandledRejection', listener);
    // Whoever read the log is gone. That is no reason to stop counting usage.
    process.stdout.on('error', () => {});
  },
  write: (line) => {
    process.stdout.write(line);
  },
  writeError: (text) => {
    process.stderr.write(text);
  },
  exit: (code) => process.exit(code),
};
