/**
 * The way of terraform/README.md from nothing to a first billed event, run as it stands there: with the real jq and kustomize, and with
 * stand-ins for what needs a cloud, which note how they were called. What one step makes is what the next one needs.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { at, environmentOf, isMap, listAt, type Manifest, podOf, textAt, whyNoKubectl } from './render.ts';

const root = resolve(import.meta.dirname, '../../..');
const environment = 'terraform/environments/development';
const readme = readFileSync(join(root, 'terraform/README.md'), 'utf8');
const outputs = readFileSync(join(root, environment, 'outputs.tf'), 'utf8');
const section = /## From nothing to the first billed event\n([^]*?)\n\*\*Production\*\*/;
const key = 'rk_live_from_the_hand';
const certificate = '-----BEGIN CERTIFICATE-----';

const needed = ['bash', 'jq', 'openssl'];
const missing = needed.filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
const gap = missing.length > 0 ? `there is no ${missing.join(', no ')} here` : whyNoKubectl();
if (gap !== undefined) console.warn(`NOT TRIED, the way of terraform/README.md to a first billed event: ${gap}.`);

/** Of outputs.tf: the secrets and the keys that Terraform gives each of them. */
const secretsOfTerraform = Object.fromEntries(
  [...outputs.matchAll(/^ +(tallyman-\w+) += \{ (.*) \}$/gm)].map(([, name = '', keys = '']) => [
    name,
    [...keys.matchAll(/(\w+) =/g)].map(([, one = '']) => one),
  ]),
);
const kubernetesSecrets = {
  apiVersion: 'v1',
  kind: 'List',
  items: Object.entries(secretsOfTerraform).map(([name, keys]) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'tallyman' },
    stringData: Object.fromEntries(keys.map((one) => [one, `${one} of ${name}`])),
  })),
};

const standIns = {
  terraform: `case "$*" in
    'output -raw kubernetes_secrets') cat "$FOLDER/kubernetes-secrets.json" ;;
    'output -raw '*) echo "$3-of-terraform" ;;
  esac`,
  aws: `case "$*" in
    'sts get-caller-identity '*) echo 123456789012 ;;
    'ssm get-parameter --name broker_ca_parameter-of-terraform '*) echo '${certificate}' ;;
    'ecr get-login-password') echo password ;;
  esac`,
  // Read to its end, or whoever writes into the pipe would fail.
  docker: `case "$1" in login) cat >"$FOLDER/registry-password" ;; esac`,
  curl: `case "$*" in *checkip*) echo 203.0.113.7 ;; esac`,
  kubectl: `case "$*" in
    'apply -f -') cat >"$FOLDER/secrets.json" ;;
    'apply -k '*) "$KUBECTL" kustomize "$3" >"$FOLDER/applied.yaml" ;;
    *'create secret '*) "$KUBECTL" "$@" --dry-run=client -o json >"$FOLDER/token.json" ;;
    *'get secret tallyman-token '*) jq -r '.data.TALLYMAN_TOKEN | @base64d' "$FOLDER/token.json" ;;
  esac`,
};

describe.skipIf(gap !== undefined)('terraform/README.md', () => {
  let folder: string;
  let calls: readonly string[];
  let applied: readonly Manifest[];
  let secrets: ReadonlyMap<string, Readonly<Record<string, unknown>>>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tallyman-walkthrough-'));
    for (const part of ['k8s', environment]) cpSync(join(root, part), join(folder, part), { recursive: true });
    mkdirSync(join(folder, 'bin'));
    for (const [name, script] of Object.entries(standIns)) {
      const file = join(folder, 'bin', name);
      writeFileSync(file, `#!/bin/sh\nprintf '%s\\n' "${name} $*" >>"$FOLDER/calls"\n${script}\n`);
      chmodSync(file, 0o755);
    }
    writeFileSync(join(folder, 'kubernetes-secrets.json'), JSON.stringify(kubernetesSecrets));

    const [, text = ''] = section.exec(readme) ?? [];
    const script = [...text.matchAll(/```\n([^]*?)```/g)].map(([, block = '']) => block).join('\n');
    const path = process.env['PATH'] ?? '';
    const env = {
      PATH: `${join(folder, 'bin')}:${path}`,
      FOLDER: folder,
      KUBECTL: execFileSync('sh', ['-c', 'command -v kubectl'], { encoding: 'utf8' }).trim(),
    };
    execFileSync('bash', ['--norc', '-euo', 'pipefail', '-c', `${script}\nwait`], {
      cwd: folder,
      env,
      input: `${key}\n`,
    });

    calls = readFileSync(join(folder, 'calls'), 'utf8').split('\n');
    applied = parseAllDocuments(readFileSync(join(folder, 'applied.yaml'), 'utf8')).map(
      (document) => document.toJS() as Manifest,
    );
    const items = listAt(JSON.parse(readFileSync(join(folder, 'secrets.json'), 'utf8')), 'items');
    const token = JSON.parse(readFileSync(join(folder, 'token.json'), 'utf8')) as unknown;
    secrets = new Map(
      [...items, token].map((one) => {
        const data = at(one, 'stringData') ?? at(one, 'data');
        return [textAt(one, 'metadata.name'), isMap(data) ? data : {}];
      }),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('asks Terraform only for outputs that the environment has, and gives it only variables that it has', () => {
    const asked = calls.flatMap((call) => [...(/^terraform output -raw (\S+)$/.exec(call)?.slice(1) ?? [])]);
    expect(asked).toContain('kubernetes_name');
    expect(asked.filter((name) => !outputs.includes(`output "${name}" {`))).toEqual([]);
    const variables = readFileSync(join(root, environment, 'variables.tf'), 'utf8');
    const given = calls.flatMap((call) => [...call.matchAll(/-var (\w+)=/g)].map(([, name = '']) => name));
    expect(given).toEqual(['region', 'operator_cidrs']);
    expect(given.filter((name) => !variables.includes(`variable "${name}" {`))).toEqual([]);
    expect(calls).toContain('terraform apply -var region=eu-west-1 -var operator_cidrs=["203.0.113.7/32"]');
  });

  it('makes every secret that a pod mounts or reads, with every key that it names', () => {
    const unmet = applied.flatMap((manifest) => {
      const pod = podOf(manifest);
      const mounted = new Map(
        listAt(pod, 'volumes').map((volume) => [textAt(volume, 'name'), textAt(volume, 'secret.secretName')]),
      );
      return [...listAt(pod, 'initContainers'), ...listAt(pod, 'containers')].flatMap((container) => {
        const files = [...environmentOf(container).values()].filter((value) => String(value).startsWith('/secrets/'));
        const secret = listAt(container, 'volumeMounts')
          .filter((mount) => at(mount, 'mountPath') === '/secrets')
          .map((mount) => mounted.get(textAt(mount, 'name')) ?? '');
        const references = listAt(container, 'env').flatMap((entry) => {
          const reference = at(entry, 'valueFrom.secretKeyRef');
          return reference === undefined ? [] : [[textAt(reference, 'name'), textAt(reference, 'key')] as const];
        });
        const wanted = [...files.map((file) => [secret[0] ?? '', String(file).slice(9)] as const), ...references];
        return wanted.filter(([name, one]) => secrets.get(name)?.[one] === undefined).map((pair) => pair.join('/'));
      });
    });
    expect(unmet).toEqual([]);
    expect([...secrets.keys()].sort()).toEqual([
      'tallyman-consumer',
      'tallyman-publisher',
      'tallyman-token',
      'tallyman-topology',
    ]);
  });

  it("gives Stripe's key to consumers alone, and the certificate of the broker's CA to all who connect", () => {
    const holders = [...secrets].filter(([, data]) => JSON.stringify(data).includes(key)).map(([name]) => name);
    expect(holders).toEqual(['tallyman-consumer']);
    for (const name of Object.keys(secretsOfTerraform)) expect(secrets.get(name)?.['ca.crt']).toBe(certificate);
    expect(calls.filter((call) => call.includes(key))).toEqual([]);
  });

  it('applies the image that was pushed, and nothing of any other name', () => {
    const image = '123456789012.dkr.ecr.eu-west-1.amazonaws.com/tallyman:0.1.0';
    expect(calls).toContain(`docker push ${image}`);
    expect(calls.find((call) => call.startsWith('docker build'))).toContain(`--tag ${image} ../../..`);
    const images = applied.flatMap((manifest) =>
      [...listAt(podOf(manifest), 'initContainers'), ...listAt(podOf(manifest), 'containers')].map((container) =>
        textAt(container, 'image'),
      ),
    );
    expect(new Set(images)).toEqual(new Set([image]));
  });

  it('posts the first event to a port that the publisher has, with the token that it wants', () => {
    const [, place = '', port = ''] =
      /port-forward (\S+) 7070:(\d+)/.exec(calls.find((call) => call.includes('port-forward')) ?? '') ?? [];
    expect(place).toBe('daemonset/tallyman-publisher');
    const publisher = applied.find(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}` === place);
    const [container] = listAt(publisher && podOf(publisher), 'containers');
    expect(listAt(container, 'ports').map((one) => String(at(one, 'containerPort')))).toContain(port);
    const token = Buffer.from(String(secrets.get('tallyman-token')?.['TALLYMAN_TOKEN']), 'base64').toString();
    expect(token).toMatch(/^[0-9a-f]{48}$/);
    const post = calls.find((call) => call.startsWith('curl') && call.includes('/v1/events'));
    expect(post).toContain(`authorization: Bearer ${token}`);
  });
});

describe('what READMEs and alerts tell a person to type', () => {
  const files = ['terraform/README.md', 'k8s/README.md', 'k8s/components/prometheus/alerts.yaml'];
  const text = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');

  it.skipIf(whyNoKubectl() !== undefined)('names only objects that the overlays have', () => {
    const rendered = ['development', 'production'].flatMap((overlay) => {
      const yaml = execFileSync('kubectl', ['kustomize', join(root, 'k8s/overlays', overlay)], { encoding: 'utf8' });
      return parseAllDocuments(yaml).map((document) => document.toJS() as Manifest);
    });
    const there = new Set(rendered.map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`));
    const named = [...text.matchAll(/\b(deploy|deployment|daemonset|job|statefulset)[/ ]([a-z]+(?:-[a-z]+)*)\b/g)]
      .map(([, kind = '', name = '']) => `${kind === 'deploy' ? 'deployment' : kind}/${name}`)
      .filter((name) => /\/(tallyman|app$)/.test(name));
    expect(new Set(named).size).toBeGreaterThan(4);
    expect(named.filter((name) => !there.has(name))).toEqual([]);
  });

  it('names only outputs, folders and resources that Terraform has', () => {
    const sources = ['development', 'production'].map((name) =>
      readFileSync(join(root, 'terraform/environments', name, 'outputs.tf'), 'utf8'),
    );
    const named = [...text.matchAll(/terraform output -raw (\w+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !sources.some((source) => source.includes(`output "${name}" {`)))).toEqual([]);
    const replaced = [...readme.matchAll(/-replace=module\.(\w+)\.(\w+)\.(\w+)/g)];
    expect(replaced).toHaveLength(2);
    const main = readFileSync(join(root, environment, 'main.tf'), 'utf8');
    for (const [, module = '', type = '', name = ''] of replaced) {
      const [, source = ''] = new RegExp(`module "${module}" \\{\\s+source += "([^"]+)"`).exec(main) ?? [];
      const code = execFileSync('sh', ['-c', 'cat *.tf'], { cwd: join(root, environment, source), encoding: 'utf8' });
      expect(code).toContain(`resource "${type}" "${name}" {`);
    }
  });
});
