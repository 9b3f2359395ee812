import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** What a service consists of: its own source and what that imports from `shared/`, without tests. Path to text. */
export function codeOf(serviceFolder: string): ReadonlyMap<string, string> {
  const pending = globSync('src/**/*.ts', { cwd: serviceFolder })
    .filter((path) => !path.endsWith('.test.ts'))
    .map((path) => resolve(serviceFolder, path));
  const code = new Map<string, string>();
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    // What is imported and does not exist is the type check's to tell.
    if (code.has(path) || !existsSync(path)) continue;
    const text = readFileSync(path, 'utf8');
    code.set(path, text);
    for (const [, target = ''] of text.matchAll(/(?:from|import\()\s*'(\.{1,2}\/[^']+\.ts)'/g)) {
      pending.push(join(dirname(path), target));
    }
  }
  return code;
}

/** Names of metrics, which stand in code as whole string literals. */
export function metricsIn(code: ReadonlyMap<string, string>): readonly string[] {
  const names = [...code.values()].flatMap((text) => [...text.matchAll(/'(tallyman_[a-z0-9_]+)'/g)]);
  return names.map(([, name = '']) => name);
}

/** Codes that programs may branch on: the keys of every exported table that is called `…Codes`. */
export async function errorCodesIn(code: ReadonlyMap<string, string>): Promise<readonly string[]> {
  const codes: string[] = [];
  for (const [path, text] of code) {
    for (const [, name = ''] of text.matchAll(/^export const (\w*[cC]odes) = \{/gm)) {
      const exported = (await import(path)) as Readonly<Record<string, object | undefined>>;
      codes.push(...Object.keys(exported[name] ?? {}));
    }
  }
  return codes;
}
