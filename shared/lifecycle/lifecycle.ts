/**
 * The life of a process, the same for every service:
 *
 *   starting ──▶ running ──▶ draining ──▶ stopped
 *      │  └──────────────────────▲ │
 *      └────▶ failed ◀──(running)──┘
 *
 * starting: until `start()` resolves. draining: from the first SIGTERM or SIGINT until `stop()` resolves.
 * Exit codes: 0, or what `stop()` answers; 64 for an argument; 78 for a configuration that cannot be used; 1 for every other failure;
 * 128 + the signal's number when a second signal ends it at once.
 *
 * Guarantees: `stop()` is called at most once, and also after a start that failed or was interrupted; the process ends
 * even if `stop()` never does; an error that nobody caught ends it at once, since no state can be trusted after it: what
 * was not settled is then delivered again.
 */
import { answerTo } from './arguments.ts';
import { ConfigError, configExitCode, type Environment } from '../config/config.ts';
import { ListenError } from '../http/listen-error.ts';
import { createLog, type Logger, type LogLevel } from '../log/log.ts';
import { Troubles } from '../log/troubles.ts';
import { processHost, type Host, type Signal } from './host.ts';

export type State = 'starting' | 'running' | 'draining' | 'stopped' | 'failed';

export interface Service {
  /** Connects and begins. A `ConfigError` from here ends the process like one from `parseConfig`. */
  start(): Promise<void>;
  /** Drains and lets go of everything, within the configured drain time; also after a `start` that did not finish. */
  stop(): Promise<ExitCode>;
}

/** Nothing is 0. */
export type ExitCode = number | undefined | void;

export interface Lifecycle {
  readonly state: State;
  /** For what must end the process, such as a broken invariant: logs it as fatal and exits with 1, without draining. */
  fail(error: unknown): void;
}

export interface ServiceDefinition<C> {
  readonly service: string;
  readonly env: Environment;
  parseConfig(env: Environment): C;
  create(config: C, context: { readonly log: Logger; readonly lifecycle: Lifecycle }): Service;
}

export interface ServiceConfig {
  readonly logLevel: LogLevel;
  readonly drainMs: number;
}

const failureExitCode = 1;
/** What `stop()` may take beyond the drain time, to close what is open, before the process ends without it. */
const closingMs = 3_000;

/** All that a `main.ts` does. Resolves once the service runs, or the process is about to exit. */
export async function runService<C extends ServiceConfig>(
  definition: ServiceDefinition<C>,
  host: Host = processHost,
): Promise<void> {
  const answer = answerTo(host.args, definition.service);
  if (answer !== undefined) {
    if (answer.code === 0) host.write(answer.text);
    else host.writeError(answer.text);
    host.exit(answer.code);
    return;
  }
  let config: C;
  try {
    config = definition.parseConfig(definition.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    host.writeError(error.report(`tallyman ${definition.service}`));
    host.exit(configExitCode);
    return;
  }
  const log = createLog({ service: definition.service, level: config.logLevel }, host);
  await new Life(definition, config, log, host).begin();
}

class Life<C extends ServiceConfig> implements Lifecycle {
  #state: State = 'starting';
  #stopped: Promise<ExitCode> | undefined;
  readonly #definition: ServiceDefinition<C>;
  readonly #config: C;
  readonly #log: Logger;
  readonly #host: Host;

  constructor(definition: ServiceDefinition<C>, config: C, log: Logger, host: Host) {
    this.#definition = definition;
    this.#config = config;
    this.#log = log;
    this.#host = host;
  }

  get state(): State {
    return this.#state;
  }

  async begin(): Promise<void> {
    const warnings = new Troubles(this.#log);
    this.#host.onWarning((said) =>
      warnings.note({ reason: 'library', message: 'A library warns. No usage is lost by it.', fields: { said } }),
    );
    this.#host.onFatal((error) => this.fail(error));
    const service = this.#definition.create(this.#config, { log: this.#log, lifecycle: this });
    this.#host.onSignal((signal) => {
      void this.#signalled(signal, service);
    });
    try {
      await service.start();
    } catch (error) {
      // Interrupted by a signal: what the interrupted start says is no news, and the drain has begun already.
      if (this.#state === 'starting') await this.#startFailed(error, service);
      return;
    }
    if (this.#state === 'starting') this.#moveTo('running', 'started');
  }

  fail(error: unknown): void {
    if (this.#state === 'failed' || this.#state === 'stopped') return;
    this.#moveTo('failed', 'an error that nothing can be continued after');
    this.#log.fatal({ error }, 'The process ends at once. No usage is lost: what was not settled is delivered again.');
    this.#host.exit(failureExitCode);
  }

  async #signalled(signal: Signal, service: Service): Promise<void> {
    if (this.#state === 'draining') {
      this.#log.warn(
        { signal },
        'A second signal: the process ends without draining. What was not settled is delivered again.',
      );
      this.#host.exit(signal === 'SIGINT' ? 130 : 143);
      return;
    }
    if (this.#state !== 'starting' && this.#state !== 'running') return;
    this.#moveTo('draining', signal);
    try {
      const code = (await this.#stop(service)) ?? 0;
      this.#moveTo('stopped', `drained, exit code ${code}`);
      this.#host.exit(code);
    } catch (error) {
      this.#moveTo('failed', 'the drain failed');
      this.#log.error({ error }, 'The drain failed. What was not settled is delivered again.');
      this.#host.exit(failureExitCode);
    }
  }

  async #startFailed(error: unknown, service: Service): Promise<void> {
    this.#moveTo('failed', 'the start failed');
    if (error instanceof ConfigError || error instanceof ListenError)
      this.#host.writeError(error.report(`tallyman ${this.#definition.service}`));
    else this.#log.fatal({ error }, 'The service could not start. It has taken nothing, so no usage is lost.');
    try {
      await this.#stop(service);
    } catch (stopError) {
      this.#log.error({ error: stopError }, 'What the start had opened could not be closed.');
    }
    this.#host.exit(error instanceof ConfigError ? configExitCode : failureExitCode);
  }

  #stop(service: Service): Promise<ExitCode> {
    this.#stopped ??= within(this.#config.drainMs + closingMs, service.stop());
    return this.#stopped;
  }

  #moveTo(state: State, why: string): void {
    this.#log.info({ from: this.#state, to: state, why }, 'The state of the service changed.');
    this.#state = state;
  }
}

async function within<T>(deadlineMs: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`The service had not stopped after ${deadlineMs} ms.`)), deadlineMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
