import type { LogDestination } from '../log/log.ts';

export type Signal = 'SIGTERM' | 'SIGINT';

/** What `runService` needs of the process it is in; a test gives another one. `write` takes the lines of the log. */
export interface Host extends LogDestination {
  onSignal(listener: (signal: Signal) => void): void;
  onFatal(listener: (error: unknown) => void): void;
  writeError(text: string): void;
  exit(code: number): void;
}

export const processHost: Host = {
  onSignal(listener) {
    process.on('SIGTERM', listener);
    process.on('SIGINT', listener);
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
