import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from './secret.ts';

describe('Secret', () => {
  it('is never printed', () => {
    const secret = new Secret('sk_live_hunter2', () => 'sk_live_hunter2');
    const prints = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }),
      inspect(secret, { showHidden: true }),
    ];
    for (const print of prints) expect(print).toContain('[redacted]');
    for (const print of prints) expect(print).not.toContain('hunter2');
  });

  it('is read again when it stands in a file, at most once a second', () => {
    let now = 0;
    let content: string | undefined = 'first';
    let reads = 0;
    const read = (): string | undefined => {
      reads += 1;
      return content;
    };
    const secret = new Secret('first', read, () => now);
    content = 'second';
    now = 999;
    expect([secret.reveal(), reads]).toEqual(['first', 0]);
    now = 1_000;
    expect([secret.reveal(), secret.reveal(), reads]).toEqual(['second', 'second', 1]);
  });

  it('keeps the last good value while the file holds none', () => {
    let now = 0;
    const secret = new Secret(
      'good',
      () => undefined,
      () => now,
    );
    now = 5_000;
    expect(secret.reveal()).toBe('good');
  });
});
