import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { undeliveredCodes } from './usage-error.ts';

const readme = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
const client = readFileSync(new URL('./usage-client.ts', import.meta.url), 'utf8');

function listedUnder(heading: string): readonly string[] {
  const section = readme.split(/^##+ /m).find((text) => text.startsWith(`${heading}\n`));
  return [...(section ?? '').matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name).toSorted();
}

it('README lists the codes that exist, and no others', () => {
  expect(listedUnder('What happens on failure')).toEqual(Object.keys(undeliveredCodes).toSorted());
});

it('README lists the options that exist, and no others', () => {
  const options = /interface ClientOptions \{([^]*?)\n\}/.exec(client)?.[1] ?? '';
  const names = [...options.matchAll(/readonly (\w+)\?:/g)].map(([, name = '']) => name);
  expect(listedUnder('Settings')).toEqual(names.toSorted());
});
