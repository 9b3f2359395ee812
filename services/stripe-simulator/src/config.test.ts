import { expect, it } from 'vitest';
import { parseConfig } from './config.ts';

it('needs nothing', () => {
  expect(parseConfig({})).toMatchObject({ http: { host: '127.0.0.1', port: 7073 }, logLevel: 'info', drainMs: 25_000 });
});

it('takes usage from other machines only with a token', () => {
  expect(() => parseConfig({ TALLYMAN_HOST: '0.0.0.0' })).toThrow(/TALLYMAN_TOKEN is not set/);
});
