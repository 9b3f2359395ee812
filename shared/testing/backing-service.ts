import type { Child } from './child.ts';
import type { CertificateFiles } from './authority.ts';
import { openNursery, type Nursery } from './nursery.ts';
import { until } from './until.ts';

/**
 * A private broker or Redis on a loopback port of its own.
 *
 * States: running ⇄ down → stopped. `kill` ends the process and keeps its data, `start` brings it back on the same data
 * and the same port, `stop` is final.
 */
export interface BackingService {
  readonly url: string;
  /** The same with TLS, where it was asked for. */
  readonly tlsUrl?: string;
  /** Where it keeps its data; not in a container. It may be copied and replaced while the service is down. */
  readonly dataFolder?: string;
  /** Ends it with this signal (default SIGKILL) and waits until it is gone. Its data stays. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again after `kill`, and waits until it answers. */
  start(): Promise<void>;
  /** Stops its clock and starts it again: SIGSTOP and SIGCONT. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Ends it for good. Its data goes with the nursery: now, if that is its own. Idempotent. */
  stop(): Promise<void>;
}

export interface BackingOptions {
  /** Also listen with TLS, with this certificate; see `tlsUrl`. Not in a container. */
  readonly tls?: CertificateFiles;
  /** Whose children the processes are. Without one the service has its own, closed by `stop()`. */
  readonly nursery?: Nursery;
}

/** How to run one kind of backing service as a child process. */
export interface Recipe {
  readonly name: string;
  readonly url: string;
  readonly tlsUrl?: string | undefined;
  readonly dataFolder?: string;
  /** Starts the process; called again after each `kill`. */
  launch(): Promise<Child>;
  /** Rejects while the service does not answer. */
  probe(): Promise<void>;
  /** Ends what else the recipe started. */
  dispose?(): Promise<void>;
}

/** The longest start that is not a failure: RabbitMQ on a busy machine recovers its queues for some seconds. */
const startDeadlineMs = 60_000;

/** Makes a recipe in the given nursery, or in one of its own, and starts it. Leaves nothing behind when that fails. */
export async function startBackingService<R extends Recipe>(
  options: BackingOptions,
  makeRecipe: (nursery: Nursery) => Promise<R>,
): Promise<{ service: BackingService; recipe: R }> {
  const nursery = options.nursery ?? (await openNursery());
  const disposeOwn = options.nursery === undefined ? () => nursery.close() : () => Promise.resolve();
  try {
    const recipe = await makeRecipe(nursery);
    const child = await launchAndWait(recipe);
    return { service: runningService(recipe, child, disposeOwn), recipe };
  } catch (error) {
    await disposeOwn();
    throw error;
  }
}

function runningService(recipe: Recipe, first: Child, disposeOwn: () => Promise<void>): BackingService {
  let child = first;
  let stopping: Promise<void> | undefined;

  async function stop(): Promise<void> {
    await child.kill('SIGKILL');
    await recipe.dispose?.();
    await disposeOwn();
  }

  return {
    url: recipe.url,
    ...(recipe.tlsUrl === undefined ? {} : { tlsUrl: recipe.tlsUrl }),
    ...(recipe.dataFolder === undefined ? {} : { dataFolder: recipe.dataFolder }),
    async kill(signal) {
      await child.kill(signal);
    },
    async start() {
      if (child.exit === undefined) throw new Error(`${recipe.name} is running already`);
      child = await launchAndWait(recipe);
    },
    freeze: () => Promise.resolve(child.signal('SIGSTOP')),
    thaw: () => Promise.resolve(child.signal('SIGCONT')),
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

async function launchAndWait(recipe: Recipe): Promise<Child> {
  const child = await recipe.launch();
  try {
    await until(() => (child.exit === undefined ? recipe.probe() : undefined), { deadlineMs: startDeadlineMs });
    if (child.exit !== undefined) throw new Error(`it ended at once (${JSON.stringify(child.exit)})`);
    return child;
  } catch (error) {
    const lines = await child.lastLines(20);
    await child.kill('SIGKILL');
    throw new Error(`${recipe.name} did not start. Its last words:\n${lines}`, { cause: error });
  }
}
