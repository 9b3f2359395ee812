import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/**
 * Changes product code while it is loaded, in this process only: what a test must have and production must not carry.
 *
 * A patch names the exact text that it stands on. Text that is not there exactly once is refused, so that a patch never
 * silently changes nothing; a unit test of whoever has patches looks at all of them with `patched`.
 */
export interface Patch {
  /** Path from the project's folder, such as `services/consumer/src/main.ts`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const projectFolder = new URL('../../../', import.meta.url);

/** The text with the patch in it. */
export function patchText(text: string, { file, find, replace }: Patch): string {
  const found = text.split(find).length - 1;
  if (found !== 1) {
    throw new Error(`A patch of ${file} stands on text that is there ${found} times instead of once:\n${find}`);
  }
  // As a function: `$` in the replacement means nothing.
  return text.replace(find, () => replace);
}

/** A project's file with all of these patches that are for it. */
export function patchedFile(file: string, patches: readonly Patch[]): string {
  const text = readFileSync(new URL(file, projectFolder), 'utf8');
  return patches.filter((patch) => patch.file === file).reduce(patchText, text);
}

/** Every file that is imported from now on is patched. Call it from a module given with `node --import`. */
export function applyPatches(patches: readonly Patch[]): void {
  const files = new Map(patches.map(({ file }) => [new URL(file, projectFolder).href, file]));
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const file = files.get(url);
      return file === undefined ? loaded : { ...loaded, source: patchedFile(file, patches) };
    },
  });
}
