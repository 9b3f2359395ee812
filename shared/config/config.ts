import { readFileSync } from 'node:fs';
import { nearestName } from './nearest.ts';
import type { ReadFile } from './secret.ts';
import { type Environment, fileNameOf, type Service, type Setting } from './setting.ts';
import { allSettings } from './settings.ts';

export { Secret } from './secret.ts';
export type { Environment, ReadFile };

// Not zod: every fault names the setting, what it got and what it must be, all at once and with the nearest name; zod would need each of
// these texts again and would delete nothing.

/** The environment cannot be used. Each fault is a sentence: which name, what it got, what it may be. */
export class ConfigError extends Error {
  readonly code = 'config';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`The configuration has ${faults.length} fault(s), so nothing was started: ${faults.join(' ')}`);
    this.name = 'ConfigError';
    this.faults = faults;
  }

  /** For the person who started it: one fault a line. */
  report(who: string): string {
    const lines = this.faults.map((fault) => `  - ${fault}\n`).join('');
    return `${who} did not start, because its configuration cannot be used:\n${lines}`;
  }
}

/** Exit code of a process that refused its configuration (EX_CONFIG of sysexits.h). */
export const configExitCode = 78;

export type Shape = Readonly<Record<string, Setting<unknown>>>;
export type Values<S extends Shape> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

/** The values of a shape, with room to say what must hold between them before anyone may have them. */
export interface Reading<S extends Shape> {
  /** `judge` answers a fault, or undefined; it is asked only if every value that it needs could be read. */
  rule<K extends keyof S>(needs: readonly K[], judge: (values: Pick<Values<S>, K>) => string | undefined): Reading<S>;
  /** Throws one `ConfigError` with all faults. */
  values(): Values<S>;
}

const readText: ReadFile = (path) => readFileSync(path, 'utf8');

/**
 * Reads what `shape` names from the environment. Names of other services are left alone; a `TALLYMAN_` name that no
 * service knows is a fault, because a mistyped setting would otherwise silently be its default.
 */
export function readSettings<S extends Shape>(
  service: Service,
  env: Environment,
  shape: S,
  readFile: ReadFile = readText,
): Reading<S> {
  const faults: string[] = unknownNames(env).map(unknownFault);
  const read: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(shape)) {
    if (!setting.services.includes(service))
      throw new Error(`${setting.name} is not in the table as a setting of ${service}.`);
    const reading = setting.read({ service, env, readFile });
    if ('fault' in reading) faults.push(reading.fault);
    else read[key] = reading.value;
  }
  const complete = (needs: readonly PropertyKey[]): boolean => needs.every((key) => Object.hasOwn(read, key));
  const reading: Reading<S> = {
    rule(needs, judge) {
      const fault = complete(needs) ? judge(read as Values<S>) : undefined;
      if (fault !== undefined) faults.push(fault);
      return reading;
    },
    values() {
      if (faults.length > 0) throw new ConfigError(faults);
      return read as Values<S>;
    },
  };
  return reading;
}

const knownNames = allSettings.flatMap(({ name, hasFile }) => (hasFile ? [name, fileNameOf(name)] : [name]));

function unknownNames(env: Environment): string[] {
  return Object.entries(env)
    .filter(
      ([name, value]) => name.startsWith('TALLYMAN_') && !knownNames.includes(name) && !isInjected(name, value ?? ''),
    )
    .map(([name]) => name)
    .sort();
}

/** Kubernetes describes every Service of the namespace to every pod, `TALLYMAN_…` for one called `tallyman-…`. */
function isInjected(name: string, value: string): boolean {
  return name.includes('_SERVICE_') || /_PORT_.*_TCP/.test(name) || value.startsWith('tcp://');
}

function unknownFault(name: string): string {
  const nearest = nearestName(name, knownNames);
  return `${name} is set, but no service knows it; ${nearest === undefined ? 'remove it.' : `did you mean ${nearest}?`}`;
}
