import { type Logger as PinoLogger, pino } from 'pino';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** A fixed sentence, and what varies in fields: `log.warn({ shard }, 'A shard was taken over.')`. */
export type Logger = PinoLogger;

export interface LogOptions {
  readonly service: string;
  readonly level: LogLevel;
}

/** A stream of lines; the process's standard output if not given. */
export interface LogDestination {
  write(line: string): void;
}

const secretFields = ['authorization', 'token', 'password', 'stripeApiKey', 'amqpUrl', 'redisUrl'];

/** Credentials inside a URL, and Stripe's keys: they come along in messages and stacks of other people's errors. */
const secretText = /(?<=:\/\/)[^\s/"@]+(?=@)|\b[srp]k_(?:live|test)_[A-Za-z0-9_]+/g;

/**
 * JSON lines, one object each. Secrets are taken out three times over: `Secret` values print as `[redacted]`, fields
 * that are called like secrets are cut, and credentials that stand in any text are cut from the finished line.
 */
export function createLog({ service, level }: LogOptions, destination: LogDestination = process.stdout): Logger {
  const redactingDestination: LogDestination = {
    write: (line) => destination.write(line.replace(secretText, '[redacted]')),
  };
  return pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError, err: describeError },
      redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
    },
    redactingDestination,
  );
}

/**
 * Type, code, message and stack, with those of its causes. Nothing else that libraries hang on their errors: ioredis, for
 * one, the arguments of the command that failed, which may be a password or a whole flush set.
 */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { type, message, stack } = pino.stdSerializers.err(error);
  const errors = error instanceof AggregateError ? error.errors.map(describeError) : undefined;
  return { type, code: 'code' in error ? error.code : undefined, message, stack, errors };
}
