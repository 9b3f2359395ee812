import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CertificateFiles, makeAuthority } from '../../../../shared/testing/authority.ts';
import { until } from '../../../../shared/testing/until.ts';
import { closeBooks, exact, owes, untilBilled } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents } from '../../../lab/cluster/requests.ts';
import { openStage, pick, type Stage } from '../stage/stage.ts';

/** Two authorities, of which servers have the first one's certificates, and the file that services are told of. */
async function makeCertificates() {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-tls-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const [first, second] = await Promise.all(['first', 'second'].map((name) => makeAuthority(join(folder, name))));
  if (first === undefined || second === undefined) throw new Error('there are two authorities');
  const caFile = join(folder, 'trusted.pem');
  await copyFile(first.ca, caFile);
  return { first, second, caFile, inUse: await first.issue('server'), other: await second.issue('server') };
}

async function replaceCertificate(inUse: CertificateFiles, by: CertificateFiles): Promise<void> {
  await Promise.all([
    copyFile(by.certificate, inUse.certificate),
    copyFile(by.key, inUse.key),
    copyFile(by.ca, inUse.ca),
  ]);
}

const posted = (round: number) =>
  Array.from({ length: 20 }, (_, customer) => ({
    id: `${round}`,
    customer: `cus_${customer}`,
    meter: 'tokens',
    value: round,
  }));
const owedAfter = (...rounds: readonly number[]) => {
  const value = rounds.reduce((sum, round) => sum + round, 0);
  return () => posted(0).map(({ customer }) => owes(customer, 'tokens', value, rounds.length));
};

async function restart({ broker, redis }: Stage): Promise<void> {
  await Promise.all([broker.kill('SIGKILL'), redis.kill('SIGKILL')]);
  await Promise.all([broker.start(), redis.start()]);
}

describe('TLS', { timeout: testTimeoutMs }, () => {
  it('a certificate of another CA is taken once the CA file holds it, without a restart and without losing anything', async () => {
    const { first, second, caFile, inUse, other } = await makeCertificates();
    const common = { TALLYMAN_CA_FILE: caFile };
    const stage = await openStage({ own: ['broker', 'redis'], tls: inUse, common });
    const { publishers, consumers } = stage.cluster;
    const pids = [...publishers, ...consumers].map(({ pid }) => pid);
    expect([stage.urls.publisher, stage.urls.redis].map((url) => new URL(url).protocol)).toEqual(['amqps:', 'rediss:']);
    await postEvents(pick(publishers), ...posted(1));
    await untilBilled(stage, owedAfter(1));

    // The servers change first, which is the wrong order: nobody trusts them, and what is posted meanwhile is spooled.
    await replaceCertificate(inUse, other);
    await restart(stage);
    await postEvents(pick(publishers), ...posted(10));
    await until(async () => expect(await pick(consumers).isReady()).toBe(false), patient);
    const said = () => pick(publishers).lastLines(50);
    await until(async () => expect(await said()).toMatch(/self-signed certificate|unable to verify/), patient);

    // The same services trust both once the file does.
    await writeFile(caFile, `${await readFile(first.ca, 'utf8')}\n${await readFile(second.ca, 'utf8')}`);
    await untilBilled(stage, owedAfter(1, 10));
    await postEvents(pick(publishers), ...posted(100));
    expect([...publishers, ...consumers].map(({ pid }) => pid)).toEqual(pids);
    expect(await closeBooks(stage, owedAfter(1, 10, 100))).toMatchObject(exact);
  });
});
