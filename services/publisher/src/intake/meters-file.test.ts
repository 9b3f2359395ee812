import { expect, it } from 'vitest';
import { ConfigError } from '../../../../shared/config/config.ts';
import { MetersFile } from './meters-file.ts';

function open(text: string) {
  const file = { text, reveal: () => file.text };
  const lines: (readonly [level: string, fields: unknown, sentence: unknown])[] = [];
  const log = {
    info: (fields: unknown, sentence?: unknown) => void lines.push(['info', fields, sentence]),
    warn: (fields: unknown, sentence?: unknown) => void lines.push(['warn', fields, sentence]),
  };
  return { file, lines, meters: new MetersFile(file, log) };
}

const tokens = 'meters:\n  - event_name: tokens\n    price: {unit_amount_decimal: 0.25}\n';
const both = `${tokens}  - event_name: storage\n`;

it('has the meters of the file of provision, and those of a new one when it changes', () => {
  const { file, lines, meters } = open(tokens);
  expect(meters.names()).toEqual(new Set(['tokens']));
  file.text = both;
  expect(meters.names()).toEqual(new Set(['tokens', 'storage']));
  expect(meters.names()).toBe(meters.names());
  expect(lines).toEqual([['info', { meters: 2 }, expect.stringContaining('has changed')]]);
});

it('keeps what it had when the file cannot be used any more, and says so once', () => {
  const { file, lines, meters } = open(both);
  file.text = 'meters:\n  - evnt_name: tokens\n';
  expect([meters.names(), meters.names()]).toEqual([new Set(['tokens', 'storage']), new Set(['tokens', 'storage'])]);
  expect(lines).toEqual([
    ['warn', { faults: [expect.stringMatching(/^line 2: /), expect.any(String)] }, expect.stringContaining('refused')],
  ]);
  file.text = tokens;
  expect(meters.names()).toEqual(new Set(['tokens']));
});

it('refuses a file that cannot be used at the start, with its line', () => {
  expect(() => open('meters: []\n')).toThrow(ConfigError);
  expect(() => open('meters:\n  - event_name: a\n  - event_name: a\n')).toThrow(
    /TALLYMAN_METERS_FILE, line 3: .*twice/,
  );
});
