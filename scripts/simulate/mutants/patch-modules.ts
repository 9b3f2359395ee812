import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import type { Mutant, Patch } from './mutant.ts';

export const root = resolve(import.meta.dirname, '../../..');

/** From here on this process gets a mutant's files with its patches; what it has imported before stays as it is. */
export function patchModules({ name, patches }: Mutant): void {
  const byUrl = new Map<string, Patch[]>();
  for (const patch of patches) {
    const url = pathToFileURL(resolve(root, patch.file)).href;
    byUrl.set(url, [...(byUrl.get(url) ?? []), patch]);
  }
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      const own = byUrl.get(url);
      if (own === undefined || loaded.source === undefined) return loaded;
      return { ...loaded, source: patched(textOf(loaded.source), own, name) };
    },
  });
}

/** The text with every patch in its place. Throws when one has no place any more, or several. */
export function patched(source: string, patches: readonly Patch[], name: string): string {
  let text = source;
  for (const { file, find, replace } of patches) {
    const places = text.split(find).length - 1;
    if (places !== 1)
      throw new Error(`The mutant "${name}" finds its place in ${file} ${places} times, not once: ${find}`);
    text = text.replace(find, () => replace);
  }
  return text;
}

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray): string {
  return typeof source === 'string' ? source : new TextDecoder().decode(source);
}
