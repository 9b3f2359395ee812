/** Every program in the client's README, and every command in that of its examples, as it stands there, to the bill. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { installClient, packClient } from '../../../../shared/client/testing/packed-client.ts';
import { plainEnvironment } from '../../../../shared/testing/child.ts';
import { freePort } from '../../../../shared/testing/ports.ts';
import { until } from '../../../../shared/testing/until.ts';
import { owes } from '../stage/books.ts';
import { closeBooks, exact } from '../stage/books.ts';
import { testTimeoutMs } from '../stage/durations.ts';
import { openStage, type Stage } from '../stage/stage.ts';

const root = resolve(import.meta.dirname, '../../../..');

function blocksOf(language: string, readme: string): readonly string[] {
  const text = readFileSync(join(root, readme), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) => text);
}

const programs = blocksOf('ts', 'shared/client/README.md');
const commands = blocksOf('sh', 'shared/client/examples/README.md');

/** The addresses of this test instead of those of a demo. */
function onStage({ cluster }: Stage, text: string): string {
  const [publisher] = cluster.publishers;
  return text
    .replaceAll('http://127.0.0.1:7070', publisher?.url ?? '')
    .replaceAll('amqp://127.0.0.1:5672', cluster.amqpUrl);
}

/** Answers its output. Programs that serve are asked twice for /hello, and go on. */
async function run(stage: Stage, name: string, text: string): Promise<string> {
  const { nursery } = stage;
  const port = await freePort();
  const file = join(nursery.folder, `${name}.ts`);
  await writeFile(file, onStage(stage, text.replaceAll('3000', String(port))));
  const program = await nursery.spawn(name, process.execPath, [file], { env: plainEnvironment() });
  if (text.includes('3000')) {
    for (let request = 0; request < 2; request++) {
      const ask = () => fetch(`http://127.0.0.1:${port}/hello`, { headers: { 'x-api-key': 'key-1' } });
      const answer = await until(async () => {
        if (program.exit !== undefined) return undefined;
        return (await ask()).text();
      });
      expect(answer, await program.lastLines(20)).toBe('hello');
    }
  } else {
    expect(await program.exited, await program.lastLines(20)).toEqual({ code: 0, signal: null });
  }
  return program.lastLines(20);
}

/** What a command needs that a machine may not have, by how to find out whether it has it. */
function missing(command: string): string | undefined {
  const needs: readonly (readonly [string, readonly string[]])[] = [
    ['python3', ['--version']],
    ...(command.includes('broker_publisher') ? [['python3', ['-c', 'import pika']] as const] : []),
    ...(command.includes('go run') ? [['go', ['version']] as const] : []),
  ];
  for (const [program, args] of needs) {
    if (!command.includes(program)) continue;
    if (spawnSync(program, args, { stdio: 'ignore' }).status !== 0) return [program, ...args].join(' ');
  }
  return undefined;
}

it(
  'the READMEs of shared/client can be pasted, and what they record is billed once',
  { timeout: testTimeoutMs },
  async () => {
    const stage = await openStage();
    const { folder } = stage.nursery;
    await installClient(folder, await packClient(folder));
    for (const name of ['express', 'fastify'])
      await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name));
    expect([programs.length, commands.length]).toEqual([5, 4]);

    const outputs: string[] = [];
    for (const [index, program] of programs.entries()) outputs.push(await run(stage, `program-${index}`, program));
    expect(outputs[0]).toMatch(/^[0-9a-f-]{36} is durable\ncustomer_invalid customer$/);
    expect(outputs[1]).toContain('durable: 10000');

    let sent = 0;
    for (const command of commands) {
      const gap = missing(command);
      if (gap !== undefined) {
        console.warn(`NOT TRIED, because "${gap}" fails here:\n${command}`);
        continue;
      }
      const env = {
        ...plainEnvironment(),
        PYTHONDONTWRITEBYTECODE: '1',
        PYTHONPATH: process.env['PYTHONPATH'],
        GO111MODULE: 'off',
        TALLYMAN_NAMESPACE: stage.cluster.namespace,
      };
      const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', onStage(stage, command)], {
        cwd: root,
        env,
        encoding: 'utf8',
      });
      expect([status, stderr.includes('Traceback')], `${command}${stdout}${stderr}`).toEqual([0, false]);
      if (!command.startsWith('echo')) continue;
      expect(stdout).toBe('1 events are durable\n');
      sent++;
    }

    // The first program records 3 and the third 1; each server has been asked twice; each command sends 3.
    const own = owes('cus_123', 'api_calls', 3 + 1 + 2 * 2 + 3 * sent, 2 + 2 * 2 + sent);
    const tokens = Array.from({ length: 100 }, (_, customer) => {
      const values = Array.from({ length: 100 }, (__, round) => round * 100 + customer);
      return owes(
        `cus_${customer}`,
        'tokens',
        values.reduce((sum, value) => sum + value, 0),
        100,
      );
    });
    expect(await closeBooks(stage, () => [own, ...tokens])).toMatchObject(exact);
  },
);
