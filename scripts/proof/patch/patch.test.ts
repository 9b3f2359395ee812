import { describe, expect, it } from 'vitest';
import { type Patch, patchedFile, patchText } from './patch.ts';

const patch: Patch = { file: 'some.ts', find: 'send();', replace: 'hold($&); send();' };

describe('a patch', () => {
  it('replaces its text, and nothing in the replacement is special', () => {
    expect(patchText('a(); send(); b();', patch)).toBe('a(); hold($&); send(); b();');
  });

  it('is refused where its text is not there, or more than once', () => {
    expect(() => patchText('a(); b();', patch)).toThrow('some.ts stands on text that is there 0 times');
    expect(() => patchText('send(); send();', patch)).toThrow('2 times');
  });

  it('is applied to its own file only', () => {
    const file = 'scripts/proof/patch/patch.ts';
    const own = { file, find: 'registerHooks({', replace: 'nothing({' };
    const patched = patchedFile(file, [own, patch]);
    expect(patched).toContain('nothing({');
    expect(patched).not.toContain('registerHooks({');
  });
});
