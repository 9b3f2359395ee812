import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../bench.ts', import.meta.url));

async function runBench(...args: readonly string[]): Promise<{ code: number | null; output: string; errors: string }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit') as Promise<[code: number | null]>;
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { code, output, errors };
}

describe('npm run bench', () => {
  it.each([
    { shape: 'batches', args: ['--batch', '20', '--events', '2000', '--customers', '30', '--runs', '2'] },
    { shape: 'single events', args: ['--batch', '1', '--events', '500', '--customers', '30', '--runs', '1'] },
  ])('balances $shape to the last event', async ({ args }) => {
    const { code, output, errors } = await runBench(...args);
    expect(errors).toBe('');
    expect(output).toMatch(/^audit of run 1: 0 lost, 0 duplicated, of 30 totals; [1-9]\d* events were sent twice$/m);
    expect(output).toMatch(/^ledger \(billed\), events\/s +[1-9]/m);
    expect(code).toBe(0);
  });

  it('refuses an option that it does not know', async () => {
    const { code, errors } = await runBench('--evnts', '5');
    expect(errors).toContain('Unknown option: --evnts; did you mean --events?');
    expect(code).toBe(64);
  });
});
