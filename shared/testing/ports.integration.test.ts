import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';

const asker = `
  const { freePort } = await import(${JSON.stringify(import.meta.resolve('./ports.ts'))});
  // It lives until it is killed.
  process.on('message', () => {});
  process.send(await Promise.all(Array.from({ length: 1_000 }, freePort)));
`;

it('a free port is given to one process only, though nobody listens on it yet', async () => {
  const askers = Array.from({ length: 3 }, () => {
    const child = fork('-', [], { execArgv: ['--input-type=module', '--eval', asker] });
    onTestFinished(() => void child.kill());
    return once(child, 'message') as Promise<[number[]]>;
  });
  const ports = (await Promise.all(askers)).flatMap(([given]) => given);
  expect(ports).toHaveLength(3_000);
  expect(new Set(ports).size).toBe(3_000);
});
