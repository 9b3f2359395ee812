import type { Kind } from './kinds.ts';
import { type ReadFile, Secret } from './secret.ts';

/** Who reads settings: the services by their folder, and the command lines in `scripts/`. */
export type Service = 'publisher' | 'consumer' | 'dashboard' | 'stripe-simulator' | 'scripts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Source {
  readonly service: Service;
  readonly env: Environment;
  readonly readFile: ReadFile;
}

export type Reading<T> = { readonly value: T } | { readonly fault: string };

export interface Setting<T> {
  readonly name: string;
  readonly services: readonly Service[];
  readonly meaning: string;
  /** Also read from the file that `NAME_FILE` names. */
  readonly hasFile: boolean;
  read(source: Source): Reading<T>;
}

interface Description<T> {
  readonly name: string;
  readonly services: readonly Service[];
  readonly meaning: string;
  readonly kind: Kind<T>;
}

export function optional<T>(description: Description<T>): Setting<T | undefined> {
  return { ...about(description), hasFile: false, read: (source) => parse(description, source) };
}

export function withDefault<T>(description: Description<T>, fallback: T | ((service: Service) => T)): Setting<T> {
  const isPerService = (value: typeof fallback): value is (service: Service) => T => typeof value === 'function';
  const defaultOf = (service: Service): T => (isPerService(fallback) ? fallback(service) : fallback);
  return {
    ...about(description),
    hasFile: false,
    read(source) {
      const reading = parse(description, source);
      return 'value' in reading ? { value: reading.value ?? defaultOf(source.service) } : reading;
    },
  };
}

/** As `requiredSecret`; undefined if neither name nor file is set. */
export function optionalSecret(description: Description<string>): Setting<Secret | undefined> {
  return secretSetting(description, () => ({ value: undefined }));
}

/** A secret from `NAME`, or from the file that `NAME_FILE` names, which is read again when it changes. */
export function requiredSecret(description: Description<string>): Setting<Secret> {
  const { name, kind, meaning } = description;
  return secretSetting(description, () => ({
    fault: `${name} is not set (${meaning}); it, or a file named by ${fileNameOf(name)}, must hold ${kind.allowed}.`,
  }));
}

export function fileNameOf(name: string): string {
  return `${name}_FILE`;
}

function secretSetting<T>(description: Description<string>, missing: () => Reading<T>): Setting<Secret | T> {
  const { name, kind } = description;
  const fileName = fileNameOf(name);
  return {
    ...about(description),
    hasFile: true,
    read({ env, readFile }) {
      const text = textOf(env, name);
      const path = textOf(env, fileName);
      if (text !== undefined && path !== undefined) {
        return { fault: `${name} and ${fileName} are both set; remove one of them.` };
      }
      if (text !== undefined) return secretOf(description, name, text);
      if (path === undefined) return missing();
      const read = (): string => readFile(path).trim();
      try {
        return secretOf(description, fileName, read(), () => attempt(() => kind.parse(read())));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return {
          fault: `${fileName} names ${JSON.stringify(path)}, which cannot be read (${reason}); it must hold ${kind.allowed}.`,
        };
      }
    },
  };
}

/**
 * What stands in the file that the variable names. It need not be a secret: it is one because it is read again like one, and
 * because nobody wants it in a log.
 */
export function optionalFile(description: Description<string>): Setting<Secret | undefined> {
  const { name, kind } = description;
  return {
    ...about(description),
    hasFile: false,
    read({ env, readFile }) {
      const path = textOf(env, name);
      if (path === undefined) return { value: undefined };
      const fault = (problem: string): Reading<never> => ({
        fault: `${name} names ${JSON.stringify(path)}, ${problem}; it must hold ${kind.allowed}.`,
      });
      const read = (): string | undefined => kind.parse(readFile(path));
      try {
        const value = read();
        return value === undefined ? fault('which cannot be used') : { value: new Secret(value, () => attempt(read)) };
      } catch (error) {
        return fault(`which cannot be read (${error instanceof Error ? error.message : String(error)})`);
      }
    },
  };
}

/** What an unreadable file says about a secret is nothing: the caller keeps what it has. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function secretOf(
  { kind }: Description<string>,
  name: string,
  text: string,
  reread?: () => string | undefined,
): Reading<Secret> {
  return kind.parse(text) === undefined
    ? {
        fault: `${name} holds ${text.length} characters (not shown) that cannot be used; it must hold ${kind.allowed}.`,
      }
    : { value: new Secret(text, reread) };
}

function parse<T>({ name, kind }: Description<T>, { env }: Source): Reading<T | undefined> {
  const text = textOf(env, name);
  if (text === undefined) return { value: undefined };
  const value = kind.parse(text);
  return value === undefined ? { fault: `${name} is ${JSON.stringify(text)}; it must be ${kind.allowed}.` } : { value };
}

function about({
  name,
  services,
  meaning,
}: Description<unknown>): Pick<Setting<unknown>, 'name' | 'services' | 'meaning'> {
  return { name, services, meaning };
}

/** Set to something: not empty, and not what Kubernetes injects for a Service that is called like the setting. */
function textOf(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === '' || value.startsWith('tcp://') ? undefined : value;
}
