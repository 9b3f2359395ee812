import packageJson from '../../package.json' with { type: 'json' };
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigError } from '../config/config.ts';
import { ListenError } from '../http/listen-error.ts';
import type { Host, Signal } from './host.ts';
import { type Lifecycle, runService, type Service } from './lifecycle.ts';

/** A process that remembers what it was told. */
class FakeHost implements Host {
  args: readonly string[] = [];
  readonly exits: number[] = [];
  errors = '';
  readonly lines: string[] = [];
  signal: (signal: Signal) => void = () => {};
  warning: (text: string) => void = () => {};
  fatal: (error: unknown) => void = () => {};

  onSignal(listener: (signal: Signal) => void): void {
    this.signal = listener;
  }
  onWarning(listener: (text: string) => void): void {
    this.warning = listener;
  }
  onFatal(listener: (error: unknown) => void): void {
    this.fatal = listener;
  }
  write(line: string): void {
    this.lines.push(line);
  }
  writeError(text: string): void {
    this.errors += text;
  }
  exit(code: number): void {
    this.exits.push(code);
  }
}

let host: FakeHost;
let lifecycle: Lifecycle;
let stops: number;

async function run(service: Partial<Service>): Promise<void> {
  await runService(
    {
      service: 'publisher',
      env: {},
      parseConfig: () => ({ logLevel: 'info' as const, drainMs: 1_000 }),
      create: (_, context) => {
        lifecycle = context.lifecycle;
        const stop = service.stop ?? (async () => {});
        return {
          start: service.start ?? (async () => {}),
          stop() {
            stops += 1;
            return stop();
          },
        };
      },
    },
    host,
  );
}

beforeEach(() => {
  host = new FakeHost();
  stops = 0;
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('runService', () => {
  it('prints every fault of the configuration and exits with 78', async () => {
    const parseConfig = () => {
      throw new ConfigError(['A is "1"; it must be 2.', 'B is not set.']);
    };
    await runService({ service: 'publisher', env: {}, parseConfig, create: () => expect.unreachable() }, host);
    expect(host.exits).toEqual([78]);
    expect(host.errors).toContain('  - A is "1"; it must be 2.\n  - B is not set.\n');
  });

  it('runs once the start is done, and logs each change of state', async () => {
    await run({});
    expect(lifecycle.state).toBe('running');
    expect(JSON.parse(host.lines[0] ?? '')).toMatchObject({ from: 'starting', to: 'running', why: 'started' });
    expect(host.exits).toEqual([]);
  });

  it('drains at the first signal and exits with what the service answers', async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    await run({ stop: () => promise });
    host.signal('SIGTERM');
    await settle();
    expect([lifecycle.state, host.exits]).toEqual(['draining', []]);
    resolve(75);
    await settle();
    expect([lifecycle.state, host.exits, stops]).toEqual(['stopped', [75], 1]);
  });

  it('exits with 0 when the service answers nothing', async () => {
    await run({});
    host.signal('SIGINT');
    await settle();
    expect(host.exits).toEqual([0]);
  });

  it('ends at once at the second signal', async () => {
    await run({ stop: () => new Promise(() => {}) });
    host.signal('SIGTERM');
    host.signal('SIGTERM');
    expect(host.exits).toEqual([143]);
    expect(stops).toBe(1);
  });

  it('ends with 1 when the drain fails or never ends', async () => {
    await run({ stop: () => Promise.reject(new Error('no')) });
    host.signal('SIGTERM');
    await settle();
    expect([lifecycle.state, host.exits]).toEqual(['failed', [1]]);

    host = new FakeHost();
    await run({ stop: () => new Promise(() => {}) });
    host.signal('SIGTERM');
    await vi.advanceTimersByTimeAsync(3_999);
    expect(host.exits).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(host.exits).toEqual([1]);
  });

  it('stops what a failed start had opened, and exits with 1', async () => {
    await run({ start: () => Promise.reject(new Error('no broker')) });
    expect([lifecycle.state, host.exits, stops]).toEqual(['failed', [1], 1]);
    expect(host.lines.join('')).toContain('no broker');
  });

  it('exits with 78 when the start finds that the configuration cannot be used here', async () => {
    await run({ start: () => Promise.reject(new ConfigError(['TALLYMAN_SHARDS is 8; the topology has 16.'])) });
    expect([host.exits, stops]).toEqual([[78], 1]);
    expect(host.errors).toContain('TALLYMAN_SHARDS is 8; the topology has 16.');
  });

  // ioredis printed "[WARN] This Redis server's `default` user does not require a password" between the JSON lines, at each connection.
  it('has what a library prints as a line of its log, once a minute', async () => {
    await run({});
    host.warning('[WARN] no password is needed');
    host.warning('[WARN] no password is needed');
    expect(host.lines.slice(1).map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { level: 'warn', said: '[WARN] no password is needed' },
    ]);
  });

  // A port that was taken was a stack trace without a remedy.
  it('says without a stack that it cannot listen, and exits with 1', async () => {
    await run({ start: () => Promise.reject(new ListenError('Port 7070 of 127.0.0.1 is taken by another process.')) });
    expect([lifecycle.state, host.exits, stops]).toEqual(['failed', [1], 1]);
    expect(host.errors).toBe(
      'tallyman publisher did not start, because it cannot listen:\n  - Port 7070 of 127.0.0.1 is taken by another process.\n',
    );
    expect(host.lines.join('')).not.toMatch(/stack|fatal/);
  });

  it('drains when the signal comes during the start, whatever becomes of the start', async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    const running = run({ start: () => promise });
    host.signal('SIGTERM');
    reject(new Error('interrupted'));
    await running;
    await settle();
    expect([lifecycle.state, host.exits, stops]).toEqual(['stopped', [0], 1]);
  });

  it('ends at once, without draining, at an error that nobody caught', async () => {
    await run({});
    host.fatal(new Error('A cursor went backwards.'));
    expect([lifecycle.state, host.exits, stops]).toEqual(['failed', [1], 0]);
    expect(host.lines.at(-1)).toContain('"level":"fatal"');
  });
});

describe('with an argument', () => {
  it.each([
    ['--help', 0, 'tallyman publisher takes no arguments.'],
    ['--version', 0, `${packageJson.version}\n`],
    ['start', 64, 'Unknown argument: start. tallyman publisher takes no arguments.'],
  ])('answers %s with %i and starts nothing', async (argument, code, words) => {
    const start = vi.fn<() => Promise<void>>();
    host.args = [argument];
    await run({ start });
    expect(host.exits).toEqual([code]);
    expect(code === 0 ? host.lines.join('') : host.errors).toContain(words);
    expect(start).not.toHaveBeenCalled();
  });
});
