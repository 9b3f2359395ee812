import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { sweepSpools } from './sweep.ts';

// Every ten seconds an error, for as long as the folder was not there, and no word when it was.
it('says that the spools cannot be looked at, and when they can be', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-sweep-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const parent = join(folder, 'spools');
  const lines: string[] = [];
  const log = createLog({ service: 'test', level: 'info' }, { write: (line) => void lines.push(line) });
  const stopping = new AbortController();
  const readUrl = () => 'amqp://nobody.invalid';
  const over = sweepSpools({ parent, readUrl, ca: undefined, exchange: 'none', log, lookEveryMs: 2 }, stopping.signal);
  onTestFinished(async () => {
    stopping.abort();
    await over;
  });
  await vi.waitUntil(() => lines.length >= 2);
  await mkdir(parent);
  await vi.waitUntil(() => lines.length >= 3);
  expect(lines.slice(1)).toEqual([
    expect.stringMatching(/"level":"error".*ENOENT.*cannot be looked at/),
    expect.stringMatching(/"level":"info".*can be looked at again/),
  ]);
});
