import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';

/** What the broker's instance on EC2 runs at boot and every five minutes, with AWS, systemd and the broker played by scripts. */
const upkeep = join(import.meta.dirname, '../../../terraform/modules/lavinmq-ec2/files/upkeep');
const hostname = 'broker.tallyman.internal';
const day = 24 * 60 * 60 * 1000;

const players: Readonly<Record<string, string>> = {
  aws: `case "$1 $2" in
  "ssm put-parameter") [ ! -e "$PLAY/aws-is-away" ] || exit 255; while [ "$1" != --value ]; do shift; done; printf '%s' "$2" >"$PLAY/told-ca" ;;
  "secretsmanager get-secret-value") cat "$PLAY/secret" ;;
esac`,
  systemctl: `case "$1" in is-active) [ -e "$PLAY/active" ] ;; *) echo "systemctl $*" >>"$PLAY/log" ;; esac`,
  lavinmqctl: '[ ! -e "$PLAY/broker-is-away" ] || exit 1; echo "lavinmqctl $*" >>"$PLAY/log"',
};

async function openPlay() {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-upkeep-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = (name: string): string => join(folder, name);
  await Promise.all(['bin', 'state', 'etc'].map((name) => mkdir(file(name))));
  for (const [name, script] of Object.entries(players)) {
    await writeFile(file(`bin/${name}`), `#!/bin/sh\n${script}\n`);
    await chmod(file(`bin/${name}`), 0o755);
  }
  const setSecret = (users: readonly string[]) => {
    const definitions = JSON.stringify({ users, permissions: [] });
    return writeFile(file('secret'), JSON.stringify({ definitions, operator_password_hash: 'a-hash' }));
  };
  await setSecret([]);
  const settings = { HOSTNAME_OF_BROKER: hostname, SECRET_ID: 'secret', CA_PARAMETER: '/ca', STATE: file('state') };
  return {
    file,
    setSecret,
    read: (name: string) => readFile(file(name), 'utf8').catch(() => ''),
    run: () =>
      promisify(execFile)(upkeep, [], {
        env: {
          ...settings,
          LAVINMQ_ETC: file('etc'),
          PLAY: folder,
          PATH: `${file('bin')}:${process.env['PATH'] ?? ''}`,
        },
      }),
    openssl: (...args: readonly string[]) => promisify(execFile)('openssl', [...args]),
  };
}

it('makes a CA once and a certificate for the broker’s name, and tells the CA', async () => {
  const play = await openPlay();
  await play.run();
  const ca = new X509Certificate(await play.read('state/ca/ca.crt'));
  const server = new X509Certificate(await play.read('state/tls/server.pem'));
  expect(server.verify(ca.publicKey)).toBe(true);
  expect(server.checkHost(hostname)).toBe(hostname);
  expect(server.validToDate.getTime() - Date.now()).toBeGreaterThan(89 * day);
  expect(await play.read('state/tls/server.pem')).toContain('PRIVATE KEY');
  expect((await play.read('told-ca')).trim()).toBe((await play.read('state/ca/ca.crt')).trim());
  expect(JSON.parse(await play.read('etc/definitions.json'))).toEqual({ users: [], permissions: [] });
  expect(await play.read('state/operator')).toBe('default_password_hash = a-hash\n');
  // The broker is not running yet: it will load both when it starts.
  expect(await play.read('log')).toBe('');
});

it('changes nothing when there is nothing to do', async () => {
  const play = await openPlay();
  await play.run();
  await writeFile(play.file('active'), '');
  const before = await play.read('state/tls/server.pem');
  await play.run();
  expect(await play.read('state/tls/server.pem')).toBe(before);
  expect(await play.read('log')).toBe('');
});

it('renews a certificate before it ends, by the same CA, and has the broker load it without a restart', async () => {
  const play = await openPlay();
  await play.run();
  await writeFile(play.file('active'), '');
  const [key, request, certificate] = [play.file('key'), play.file('csr'), play.file('crt')];
  await play.openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=old',
    '-addext',
    `subjectAltName=DNS:${hostname}`,
    '-keyout',
    key,
    '-out',
    request,
  );
  const ca = ['-CA', play.file('state/ca/ca.crt'), '-CAkey', play.file('state/ca/ca.key'), '-CAcreateserial'];
  await play.openssl(
    'x509',
    '-req',
    '-in',
    request,
    ...ca,
    '-days',
    '29',
    '-copy_extensions',
    'copy',
    '-out',
    certificate,
  );
  await writeFile(
    play.file('state/tls/server.pem'),
    (await readFile(certificate, 'utf8')) + (await readFile(key, 'utf8')),
  );
  const authority = await play.read('state/ca/ca.crt');

  await play.run();
  const renewed = new X509Certificate(await play.read('state/tls/server.pem'));
  expect(renewed.validToDate.getTime() - Date.now()).toBeGreaterThan(89 * day);
  expect(await play.read('state/ca/ca.crt')).toBe(authority);
  expect(await play.read('log')).toBe('systemctl kill --kill-whom=main --signal=HUP lavinmq\n');
});

it('imports users when they change', async () => {
  const play = await openPlay();
  await play.run();
  await writeFile(play.file('active'), '');
  await play.setSecret(['one more']);
  await play.run();
  expect(await play.read('log')).toBe(`lavinmqctl import_definitions ${play.file('etc/definitions.json')}\n`);
});

it('imports them the next time, when the broker did not take them', async () => {
  // Once, a failed import was forgotten: the file was in its place already, so nothing seemed to have changed.
  const play = await openPlay();
  await play.run();
  await writeFile(play.file('active'), '');
  await play.setSecret(['one more']);
  await writeFile(play.file('broker-is-away'), '');
  await expect(play.run()).rejects.toThrow();
  await rm(play.file('broker-is-away'));
  await play.run();
  expect(await play.read('log')).toBe(`lavinmqctl import_definitions ${play.file('etc/definitions.json')}\n`);
});

it('tells its CA the next time, when AWS could not be reached', async () => {
  const play = await openPlay();
  await writeFile(play.file('aws-is-away'), '');
  await expect(play.run()).rejects.toThrow();
  await rm(play.file('aws-is-away'));
  await play.run();
  expect((await play.read('told-ca')).trim()).toBe((await play.read('state/ca/ca.crt')).trim());
});
