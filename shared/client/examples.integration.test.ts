import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished, type TestContext } from 'vitest';
import { parseExactly } from '../event/exact-json.ts';
import { readTimestamp } from '../event/timestamp.ts';
import { readValue } from '../event/value.ts';
import { listen } from '../http/listen.ts';
import { plainEnvironment } from '../testing/child.ts';

const folder = fileURLToPath(new URL('./examples', import.meta.url));
const env = { ...plainEnvironment(), PYTHONDONTWRITEBYTECODE: '1', GO111MODULE: 'off' };

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: string): Promise<Ended> {
  try {
    const { stdout, stderr } = await promisify(execFile)('/bin/sh', ['-c', command], { cwd: folder, env });
    return { code: 0, stdout, stderr };
  } catch (error) {
    if (error instanceof Error && 'stderr' in error) return error as unknown as Ended;
    throw error;
  }
}

async function need(program: string, skip: TestContext['skip']): Promise<void> {
  const { code } = await run(`command -v ${program}`);
  if (code !== 0) skip(`there is no ${program} here: its example was NOT tried`);
}

it('the Python codec writes the bytes, hashes and slots of the test vectors', async ({ skip }) => {
  await need('python3', skip);
  const { code, stderr } = await run('python3 python/test_broker_format.py');
  expect([code, stderr]).toEqual([0, expect.stringMatching(/Ran [1-9]\d* tests[^]*OK/)]);
});

const examples = [
  ['python3', 'python3 python/usage_http.py'],
  ['go', 'go run go/usage_http.go'],
] as const;

// "value": null was taken for no value by Go, which counts 1; Python's floats rounded what has more than 17 digits, and the last
// instant of a month into the next one.
for (const [program, command] of examples) {
  it(`the ${program} example sends what was written: no null for a 1, no rounded value, no rounded time`, async ({
    skip,
  }) => {
    await need(program, skip);
    let body = '';
    const server = createServer((request, response) => {
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => response.writeHead(202).end(JSON.stringify({ rejected: [] })));
    });
    onTestFinished(() => void server.close());
    const port = await listen(server, { host: '127.0.0.1', port: 0 });
    const events = [
      '{"customer": "c", "meter": "m", "value": null}',
      '{"customer": "c", "meter": "m", "value": 0.1000000000000000055, "timestamp": 1796083199.9996}',
      '{"customer": "c", "meter": "m", "value": 1e-7, "timestamp": "2026-11-30T23:59:59.9999Z"}',
    ];
    const ended = await run(`printf '%s\\n' '${events.join("' '")}' | ${command} http://127.0.0.1:${port}/`);
    expect(ended).toMatchObject({ code: 0, stdout: '3 events are durable\n' });
    const [none, inexact, small, ...more] = parseExactly(body) as readonly Record<string, unknown>[];
    expect(more).toEqual([]);
    expect(none).toMatchObject({ value: null, timestamp: expect.any(Number) });
    expect(readValue(inexact?.['value'])).toMatchObject({ code: 'value_too_many_digits' });
    expect(readTimestamp(inexact?.['timestamp'], Date.UTC(2026, 11, 1))).toBe(1796083199.999);
    expect(readValue(small?.['value'])).toBe('0.0000001');
    expect(small?.['timestamp']).toBe('2026-11-30T23:59:59.9999Z');
  });

  it(`the ${program} example sends the same bytes until it is answered, and names what was refused`, async ({
    skip,
  }) => {
    await need(program, skip);
    const bodies: string[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        bodies.push(Buffer.concat(chunks).toString());
        if (bodies.length === 1)
          response.writeHead(503, { 'retry-after': '1' }).end('{"error": {"code": "overloaded"}}');
        else if (bodies.length === 2) request.socket.destroy();
        else if (bodies.length === 3) response.writeHead(502).end('<html>');
        else response.writeHead(202).end(JSON.stringify({ accepted: 1, duplicates: 0, rejected: [rejection] }));
      });
    });
    const rejection = { index: 1, id: 'b', code: 'value_invalid', message: 'value: got nothing' };
    onTestFinished(() => void server.close());
    const port = await listen(server, { host: '127.0.0.1', port: 0 });
    const events = ['{"customer": "Zoë", "meter": "m", "value": 0.1}', '{"id": "b", "customer": "c", "meter": "m"}'];
    const ended = await run(`printf '%s\\n' '${events.join("' '")}' | ${command} http://127.0.0.1:${port}/`);
    expect(ended).toMatchObject({ code: 1, stdout: '1 events are durable\n' });
    expect(ended.stderr).toContain('refused value_invalid: value: got nothing');
    expect([bodies.length, new Set(bodies).size]).toEqual([4, 1]);
    expect(JSON.parse(bodies[0] ?? '')).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{32,36}$/),
        timestamp: expect.any(Number),
        customer: 'Zoë',
        meter: 'm',
        value: 0.1,
      },
      { id: 'b', timestamp: expect.any(Number), customer: 'c', meter: 'm' },
    ]);
  });
}
