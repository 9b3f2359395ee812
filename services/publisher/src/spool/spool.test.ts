/**
 * The shells of the spool, on a disk that forgets what was not synced and that fails when the test wants: nothing is called
 * stored that is not, whatever ends meanwhile.
 */
import { randomUUID } from 'node:crypto';
import { rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { until } from '../../../../shared/testing/until.ts';
import { record } from './bench.ts';
import { openFolder } from './disk.ts';
import { Faults } from './faults.ts';
import { segmentName } from './files.ts';
import { spoolLimits } from './limits.ts';
import { createSpoolMetrics } from './metrics.ts';
import { ModelDisk } from './model-disk.ts';
import { OpenSpool } from './open-spool.ts';
import { encodeRecord } from './record.ts';
import { Spool } from './spool.ts';

const log = createLog({ service: 'test', level: 'silent' });
const limits = spoolLimits(10_000_000);
const metrics = () =>
  createSpoolMetrics(new Registry(), () => ({ state: 'open', bytes: 0, records: 0, oldestAcceptedMs: undefined }));

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function opened(disk = new ModelDisk()) {
  const told = new Map<number, boolean>();
  const gone: unknown[] = [];
  const spool = new OpenSpool({
    files: disk,
    lock: { isInPlace: async () => true, release: async () => undefined },
    found: await openFolder(disk),
    limits,
    faults: new Faults({ folder: 'model', log, metrics: metrics() }),
    onTold: (ticket, stored) => void told.set(ticket, stored),
    onChange: () => undefined,
    onGone: (error) => void gone.push(error),
    onCommit: () => undefined,
  });
  cleanups.push(() => spool.close());
  const append = async (ticket: number): Promise<void> => {
    spool.step({ kind: 'append', ticket, bytes: encodeRecord(record(ticket)), expiresAtMs: Infinity });
    await spool.settled();
  };
  return { spool, disk, told, gone, append };
}

describe('an open spool', () => {
  it('calls stored what a power cut leaves', async () => {
    const { disk, told, append } = await opened();
    await append(1);
    expect(told).toEqual(new Map([[1, true]]));
    const next = await opened(disk.after('power'));
    expect(next.spool.core.records).toBe(1);
  });

  it('declines what could not be written, and takes it back from the disk', async () => {
    const { disk, told, append } = await opened();
    await append(1);
    disk.isFull = true;
    await append(2);
    expect(told).toEqual(
      new Map([
        [1, true],
        [2, false],
      ]),
    );
    expect(disk.contents(segmentName(1))).toEqual(encodeRecord(record(1)));
  });

  it('declines what went into a segment that somebody has deleted: the file takes it, and no name leads to it', async () => {
    const { spool, disk, told, gone, append } = await opened();
    await append(1);
    disk.isInPlace = async () => false;
    await append(2);
    expect(told.get(2)).not.toBe(true);
    expect(gone).toHaveLength(1);
    spool.step({ kind: 'ticked' });
    expect(gone).toHaveLength(1);
  });
});

describe('a spool', () => {
  function spoolIn(folder: string, to = log): Spool {
    const spool = new Spool({ folder, limits, log: to, metrics: metrics() });
    cleanups.push(async () => {
      await spool.stop();
      await rm(folder, { recursive: true, force: true });
    });
    return spool;
  }

  const folderOfItsOwn = (): string => join(tmpdir(), `tallyman-spool-${randomUUID()}`);

  it('declines what comes before it is open, and after it was stopped', async () => {
    const spool = spoolIn(folderOfItsOwn());
    const told: boolean[] = [];
    spool.append(record(1), Infinity, (stored) => told.push(stored));
    await spool.start();
    expect(spool.isOpen).toBe(true);
    await spool.stop();
    spool.append(record(2), Infinity, (stored) => told.push(stored));
    expect(told).toEqual([false, false]);
  });

  // A volume that hangs: usage was answered with 503, and "the line about the spool says what is wrong with it" named no line.
  it('says that its folder does not answer, for as long as that lasts', async () => {
    const lines: Record<string, unknown>[] = [];
    const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
    const spool = spoolIn(folderOfItsOwn(), createLog({ service: 'test', level: 'info' }, { write }));
    await spool.startWithin(0);
    const message = expect.stringMatching(/folder of the spool does not answer.*503/) as string;
    expect(lines).toMatchObject([{ level: 'error', reason: 'opening', msg: message }]);
    expect(spool.remarks).toEqual([message]);
    await until(() => spool.isOpen);
    expect(spool.remarks).toEqual([]);
    expect(lines.slice(1)).toMatchObject([
      { level: 'info', msg: expect.stringMatching(/The folder of the spool can be used again/) as string },
    ]);
  });

  it('declines what it was given and did not store when its folder is taken away', async () => {
    const folder = folderOfItsOwn();
    const spool = spoolIn(folder);
    await spool.start();
    const told: boolean[] = [];
    spool.append(record(1), Infinity, (stored) => told.push(stored));
    await until(() => told.length === 1);
    await unlink(join(folder, segmentName(1)));
    spool.append(record(2), Infinity, (stored) => told.push(stored));
    await until(() => told.length === 2);
    expect(told).toEqual([true, false]);
  });
});
