import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { plainEnvironment } from './child.ts';
import { openNursery } from './nursery.ts';
import { until } from './until.ts';

const sleeper = ['-c', 'sleep 1000 & wait'] as const;

describe('a nursery', () => {
  it('leaves no process, no grandchild and no folder when it is closed', async () => {
    const nursery = await openNursery();
    const child = await nursery.spawn('sleeper', '/bin/sh', sleeper, { env: plainEnvironment() });
    expect(groupLives(child.pid)).toBe(true);
    await nursery.close();
    expect(child.exit).toEqual({ code: null, signal: 'SIGKILL' });
    await until(() => !groupLives(child.pid));
    expect(existsSync(nursery.folder)).toBe(false);
  });

  it('refuses new children once it is closed', async () => {
    const nursery = await openNursery();
    await nursery.close();
    await expect(nursery.spawn('late', '/bin/true', [], { env: {} })).rejects.toThrow(/closed/);
  });

  it('says which program could not be started', async () => {
    const nursery = await openNursery();
    await expect(nursery.spawn('ghost', '/nowhere/ghost', [], { env: {} })).rejects.toThrow(
      /ghost could not be started/,
    );
    await nursery.close();
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'cleans up after its process was ended by %s',
    async (signal) => {
      const report = join(tmpdir(), `nursery-report-${process.pid}-${signal}`);
      const owner = spawn(process.execPath, ['--input-type=module-typescript', '-e', ownerProgram(report)], {
        stdio: 'ignore',
      });
      try {
        const [folder = '', pid = ''] = await until(async () => {
          const text = await readFile(report, 'utf8');
          return text.endsWith('\n') && text.trim().split(' ');
        });
        expect(groupLives(Number(pid))).toBe(true);
        owner.kill(signal);
        await once(owner, 'exit');
        await until(() => !groupLives(Number(pid)) && !existsSync(folder));
      } finally {
        owner.kill('SIGKILL');
        await rm(report, { force: true });
      }
    },
    20_000,
  );
});

/** A process that opens a nursery with one child, reports both and then waits to be ended. */
function ownerProgram(report: string): string {
  const here = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  return `
    import { writeFileSync } from 'node:fs';
    const { openNursery } = await import(${here('./nursery.ts')});
    const nursery = await openNursery();
    const child = await nursery.spawn('sleeper', '/bin/sh', ${JSON.stringify(sleeper)}, { env: { PATH: process.env.PATH } });
    writeFileSync(${JSON.stringify(report)}, nursery.folder + ' ' + child.pid + '\\n');
  `;
}

/** Whether any process of this group is alive. Signal 0 asks without sending. */
function groupLives(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}
