import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Mailbox } from './mailbox.ts';

describe('Mailbox', () => {
  it('handles everything in order of arrival, also what arrives while it does, and nothing at once', async () => {
    const mailbox = new Mailbox();
    const opened: number[] = [];
    let pushed = 0;
    const push = () => {
      const letter = ++pushed;
      mailbox.push({
        open() {
          opened.push(letter);
          if (letter % 3 === 0 && pushed < 5_000) push();
        },
      });
    };
    for (let letter = 0; letter < 3_000; letter++) push();
    expect(opened).toEqual([]);
    while (opened.length < pushed) await nextTurn();
    expect(opened).toEqual(Array.from({ length: pushed }, (_, index) => index + 1));
  });

  it('lets others have their turn before it is through', async () => {
    const mailbox = new Mailbox();
    const opened: number[] = [];
    const open = () => {
      opened.push(opened.length);
      const untilMs = performance.now() + 1;
      while (performance.now() < untilMs);
    };
    for (let letter = 0; letter < 64; letter++) mailbox.push({ open });
    await nextTurn();
    expect(opened.length).toBeGreaterThan(0);
    expect(opened.length).toBeLessThan(64);
    while (opened.length < 64) await nextTurn();
  });
});
