import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plainEnvironment, type Child, type Exit } from '../../../shared/testing/child.ts';
import type { Nursery } from '../../../shared/testing/nursery.ts';
import { freePort, preferredPort } from '../../../shared/testing/ports.ts';
import { until } from '../../../shared/testing/until.ts';
import { parseMetrics, type Metrics } from './metrics.ts';

export type ServiceKind = 'publisher' | 'consumer' | 'dashboard' | 'stripe-simulator';

/** A real service in a process of its own. It keeps its address, its settings and its folder over restarts. */
export interface RunningService {
  readonly kind: ServiceKind;
  /** Such as `consumer-2`; also the name of its log in the nursery's folder. */
  readonly name: string;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly pid: number;
  /** Undefined while it lives. */
  readonly exit: Exit | undefined;
  /** It has ended, and neither `drain` nor `kill` was asked of it. */
  readonly hasFailed: boolean;
  isReady(): Promise<boolean>;
  metrics(): Promise<Metrics>;
  lastLines(count: number): Promise<string>;
  /** SIGSTOP: the process stands still, its connections stay open. */
  freeze(): void;
  thaw(): void;
  /** SIGTERM: it drains. Resolves once it is gone. */
  drain(): Promise<Exit>;
  /** SIGKILL. Resolves once it is gone. */
  kill(): Promise<Exit>;
  /** Starts it again after it has ended, with the code of `project` from now on, and waits until it is ready. */
  restart(project?: string): Promise<void>;
}

export interface ServiceOptions {
  readonly name: string;
  /** Its settings, beside its address. Nothing else reaches it but PATH, HOME and the like. */
  readonly env: Readonly<Record<string, string>>;
  /** Where its code is. Default: here. */
  readonly project?: string;
  /** Where it listens, if nobody else does. Default: any free port. */
  readonly port?: number;
}

const projectFolder = fileURLToPath(new URL('../../../', import.meta.url));
const readyDeadlineMs = 60_000;
const answerTimeoutMs = 2_000;

/** Starts `services/<kind>/src/main.ts` and waits until `/readyz` answers 200. */
export async function startService(
  nursery: Nursery,
  kind: ServiceKind,
  { name, env, project = projectFolder, port: wanted }: ServiceOptions,
): Promise<RunningService> {
  const port = await (wanted === undefined ? freePort() : preferredPort(wanted));
  const url = `http://127.0.0.1:${port}`;
  let code = project;
  const wholeEnv = { ...plainEnvironment(), ...env, TALLYMAN_HOST: '127.0.0.1', TALLYMAN_PORT: String(port) };
  const launch = () =>
    nursery.spawn(name, process.execPath, [join(code, 'services', kind, 'src/main.ts')], { env: wholeEnv });
  const isReady = async () => (await get(`${url}/readyz`)).ok;

  let endAsked = false;
  let child = await launch();
  await untilReady(child, isReady);
  return {
    kind,
    name,
    url,
    get pid() {
      return child.pid;
    },
    get exit() {
      return child.exit;
    },
    get hasFailed() {
      return child.exit !== undefined && !endAsked;
    },
    isReady: () => isReady().catch(() => false),
    metrics: async () => parseMetrics(await (await get(`${url}/metrics`)).text()),
    lastLines: (count) => child.lastLines(count),
    freeze: () => child.signal('SIGSTOP'),
    thaw: () => child.signal('SIGCONT'),
    drain() {
      endAsked = true;
      return child.kill('SIGTERM');
    },
    kill() {
      endAsked = true;
      return child.kill('SIGKILL');
    },
    async restart(other = code) {
      if (child.exit === undefined) throw new Error(`${name} is running already`);
      code = other;
      child = await launch();
      endAsked = false;
      await untilReady(child, isReady);
    },
  };
}

/** Runs `tallyman COMMAND` to its end. Rejects with its last lines unless it exits 0. */
export async function runCommand(
  nursery: Nursery,
  command: string,
  { name, env, args = [] }: ServiceOptions & { readonly args?: readonly string[] },
): Promise<void> {
  const file = `${projectFolder}scripts/commands/tallyman.ts`;
  const child = await nursery.spawn(name, process.execPath, [file, command, ...args], {
    env: { ...plainEnvironment(), ...env },
  });
  const exit = await child.exited;
  if (exit.code !== 0)
    throw new Error(`tallyman ${command} ended with ${describe(exit)}:\n${await child.lastLines(20)}`);
}

async function untilReady(child: Child, isReady: () => Promise<boolean>): Promise<void> {
  try {
    // A child that has ended will never be ready: `undefined` ends the wait at once.
    await until(() => (child.exit === undefined ? isReady() : undefined), {
      deadlineMs: readyDeadlineMs,
      intervalMs: 50,
    });
    if (child.exit !== undefined) throw new Error(`it ended with ${describe(child.exit)}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const lines = await child.lastLines(20);
    await child.kill('SIGKILL');
    throw new Error(`${child.name} did not become ready: ${reason}. Its last lines:\n${lines}`, { cause: error });
  }
}

function describe({ code, signal }: Exit): string {
  return signal === null ? `status ${code}` : signal;
}

function get(url: string): Promise<Response> {
  return fetch(url, { signal: AbortSignal.timeout(answerTimeoutMs) });
}
