import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { until } from '../../../shared/testing/until.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

function startDemo(...args: readonly string[]) {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit') as Promise<[code: number | null]>;
  return { child, exited };
}

describe('./scripts/demo', () => {
  it('balances although a consumer and a sidecar are killed, and leaves no folder', async () => {
    const { child, exited } = startDemo('--events', '5000', '--customers', '40', '--chaos');
    const [output, [code]] = await Promise.all([text(child.stdout), exited]);
    expect(output).toContain('\n0 lost, 0 duplicated\n');
    expect(output.match(/^ {2}Killed with SIGKILL: /gm)).toHaveLength(2);
    expect(code).toBe(0);
    const folder = /\/\S*tallyman-\w+/.exec(output)?.[0];
    expect(folder !== undefined && existsSync(folder)).toBe(false);
  });

  it('ends everything at a signal', async () => {
    const { child, exited } = startDemo();
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    const folder = await until(() => /\/\S*tallyman-\w+/.exec(output)?.[0] ?? false, { deadlineMs: 60_000 });
    expect(existsSync(folder)).toBe(true);
    child.kill('SIGTERM');
    expect((await exited)[0]).toBe(143);
    expect(existsSync(folder)).toBe(false);
  });

  it('refuses an option that it does not know', async () => {
    const { child, exited } = startDemo('--evnts', '5');
    const [errors, [code]] = await Promise.all([text(child.stderr), exited]);
    expect(errors).toContain('Unknown option: --evnts; did you mean --events?');
    expect(code).toBe(64);
  });
});
