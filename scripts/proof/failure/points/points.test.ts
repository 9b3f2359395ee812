import { stripTypeScriptTypes } from 'node:module';
import { describe, expect, it } from 'vitest';
import { patchedFile } from '../../patch/patch.ts';
import { pointNames, pointPatches } from './points.ts';

const journalPoint = /^(claim|renew|release|load-head|commit|mark|progress|complete)-(before|after)$/;
const files = [...new Set(pointPatches.map(({ file }) => file))];
const patched = files.map((file) => patchedFile(file, pointPatches)).join('\n');

describe('the points', () => {
  it.each(files)('stand on text that is in %s exactly once', (file) => {
    expect(patchedFile(file, pointPatches)).toContain('globalThis.failpoint(');
  });

  // The body of a callback grew a brace, and the point made it a syntax error: no process of the enumeration started any more.
  it.each(files)('leave %s a module that Node can load', (file) => {
    expect(() => stripTypeScriptTypes(patchedFile(file, pointPatches))).not.toThrow();
  });

  it('are each in the code once', () => {
    const places = Object.fromEntries(
      pointNames.map((name) => [name, patched.split(`globalThis.failpoint('${name}')`).length - 1]),
    );
    const expected = Object.fromEntries(pointNames.map((name) => [name, journalPoint.test(name) ? 0 : 1]));
    expect(places).toEqual(expected);
  });

  it('have the names of scripts that the journal runs', () => {
    const steps = pointNames.flatMap((name) => journalPoint.exec(name)?.[1] ?? []);
    expect(steps.filter((step) => !patched.includes(`  '${step}',\n`))).toEqual([]);
  });
});
