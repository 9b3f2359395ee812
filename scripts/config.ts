import { ConfigError, configExitCode, type Environment, readSettings, type Secret } from '../shared/config/config.ts';
import { settings } from '../shared/config/settings.ts';

/** What the command lines take that work on a cluster's broker and Redis. */
export interface ScriptConfig {
  readonly amqpUrl: Secret;
  readonly redisUrl: Secret;
  readonly namespace: string;
  readonly shards: number;
}

const shape = {
  amqpUrl: settings.amqpUrl,
  redisUrl: settings.redisUrl,
  namespace: settings.namespace,
  shards: settings.shards,
} as const;

/** Throws a `ConfigError` that names every fault. */
export function parseConfig(env: Environment): ScriptConfig {
  return readSettings('scripts', env, shape).values();
}

/** The same of this process; names every fault on stderr and exits with 78 if it cannot be used. */
export function configOfProcess(who: string): ScriptConfig {
  try {
    return parseConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(error.report(who));
    process.exit(configExitCode);
  }
}
