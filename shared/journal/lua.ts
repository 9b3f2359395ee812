import { readFileSync } from 'node:fs';
import { createScript, type Script } from '../redis/script.ts';

/** The journal's Lua scripts of these names. Throws when a file is missing, so read them before the first is needed. */
export function readScripts<Name extends string>(names: readonly Name[]): Readonly<Record<Name, Script>> {
  const read = names.map((name): [Name, Script] => {
    const body = readFileSync(new URL(`scripts/${name}.lua`, import.meta.url), 'utf8');
    return [name, createScript(name, body)];
  });
  return Object.fromEntries(read) as Record<Name, Script>;
}
