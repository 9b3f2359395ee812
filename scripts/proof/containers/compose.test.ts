/** compose.yaml as it stands: what of it can be told without starting it. The engine's own check runs too, where it is installed. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { allSettings } from '../../../shared/config/settings.ts';
import { imageFiles } from '../image/image-files.ts';

const root = resolve(import.meta.dirname, '../../..');
const file = join(root, 'compose.yaml');
const serviceShape = z.object({
  image: z.string(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  networks: z.array(z.string()).optional(),
  network_mode: z.string().optional(),
  ports: z.array(z.string()).optional(),
  profiles: z.array(z.string()).optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  stop_grace_period: z.string().optional(),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  deploy: z.object({ replicas: z.number() }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
});
const { services, networks } = z
  .object({
    services: z.record(z.string(), serviceShape),
    networks: z.record(z.string(), z.object({ internal: z.boolean().optional() })),
  })
  .parse(parse(readFileSync(file, 'utf8'), { merge: true }));
const ours = Object.entries(services).filter(([, { image }]) => image.startsWith('tallyman'));

const programs = [['docker', 'compose'], ['docker-compose']] as const;
const compose = programs.find(([command, ...args]) => spawnSync(command, [...args, 'version']).status === 0);
if (compose === undefined)
  console.warn('NOT TRIED, compose.yaml by the check of Docker Compose: it is not installed here.');

describe('compose.yaml', () => {
  it.skipIf(compose === undefined)('is taken by Docker Compose', () => {
    const [command = '', ...args] = compose ?? [];
    const { status, stderr } = spawnSync(command, [...args, '--file', file, 'config', '--quiet'], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  it('starts LavinMQ 2.9.1, a Redis that keeps what it acknowledged, two sidecars and three consumers', () => {
    expect(services['broker']?.image).toBe('cloudamqp/lavinmq:2.9.1');
    expect(services['broker']?.environment).toHaveProperty('LAVINMQ_DEFAULT_PASSWORD');
    const redis = services['redis']?.command?.join(' ');
    expect(redis).toMatch(/--appendonly yes --appendfsync always --maxmemory-policy noeviction/);
    const started = ours.filter(([, { profiles }]) => profiles === undefined);
    const count = (program: string) =>
      started
        .filter(([, { command }]) => command?.[0] === program)
        .reduce((sum, [, { deploy }]) => sum + (deploy?.replicas ?? 1), 0);
    expect(count('services/publisher/src/main.ts')).toBe(2);
    expect(count('services/consumer/src/main.ts')).toBe(3);
  });

  it('keeps broker, Redis and sidecars on an internal network; only consumers are on both', () => {
    expect(networks).toEqual({ private: { internal: true }, outside: {} });
    const placed = Object.fromEntries(Object.entries(services).map(([name, service]) => [name, service.networks]));
    expect(placed).toEqual({
      broker: ['private'],
      redis: ['private'],
      topology: ['private'],
      'publisher-1': ['private'],
      'publisher-2': ['private'],
      consumer: ['private', 'outside'],
      simulator: ['outside'],
      app: undefined,
    });
    expect(services['app']?.network_mode).toBe('service:publisher-1');
    expect(Object.values(services).filter(({ ports }) => ports !== undefined)).toEqual([]);
  });

  it('hardens what is ours, and gives it more time to end than it takes to drain', () => {
    for (const [name, service] of ours) {
      expect([service.read_only, service.cap_drop, service.stop_grace_period], name).toEqual([true, ['ALL'], '45s']);
    }
  });

  it('sets only settings that exist, and runs only programs that exist', () => {
    const known = new Set(allSettings.map(({ name }) => name));
    const used = ours.flatMap(([, { environment = {} }]) => Object.keys(environment));
    expect(used.filter((name) => !known.has(name))).toEqual([]);
    const held = { tallyman: imageFiles('product', root), 'tallyman-laboratory': imageFiles('laboratory', root) };
    const missing = ours.filter(
      ([, { image, command }]) => !held[image as keyof typeof held].includes(command?.[0] ?? ''),
    );
    expect(missing).toEqual([]);
  });

  it('starts consumers and sidecars once the topology is declared, on a broker and a Redis that are up', () => {
    for (const name of ['publisher-1', 'publisher-2', 'consumer']) {
      expect(services[name]?.depends_on).toEqual({ topology: { condition: 'service_completed_successfully' } });
    }
    const healthy = { condition: 'service_healthy' };
    expect(services['topology']?.depends_on).toEqual({ broker: healthy, redis: healthy });
    expect(services['broker']?.healthcheck).toBeDefined();
    expect(services['redis']?.healthcheck).toBeDefined();
  });
});
