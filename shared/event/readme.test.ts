import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { eventFaultCodes } from './event-fault.ts';
import { unreadableReasons } from './message.ts';

const readme = readFileSync(new URL('./README.md', import.meta.url), 'utf8');

it.each([
  ['reasons', '## What readers do', Object.keys(unreadableReasons)],
  ['codes', '## Events as applications send them', Object.keys(eventFaultCodes)],
])('README lists the %s that exist, and no others', (_, heading, existing) => {
  const section = readme.split(heading)[1]!.split('\n## ')[0]!;
  const firstCells = [...section.matchAll(/^\| (`.+?) \|/gm)].map((match) => match[1]!).join(' ');
  const listed = [...firstCells.matchAll(/`(\w+)`/g)].map((match) => match[1]!);
  expect(listed.toSorted()).toEqual(existing.toSorted());
});
