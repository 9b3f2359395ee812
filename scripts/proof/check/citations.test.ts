import { expect, it } from 'vitest';
import { brokenCitations, brokenRule, type Constitution, constitutionOf } from './citations.ts';

const small: Constitution = {
  invariants: new Set(['1', '2', '10']),
  sections: new Map([
    ['3.1', 'Usage events'],
    ['5', 'Faults'],
  ]),
};

it('reads invariants and sections from a text', () => {
  const text = ['## 3. Contracts', '### 3.1 Events', '<a id="invariant-1"></a>', '**1. First.**', '## 4. Once'].join(
    '\n',
  );
  expect(constitutionOf(text)).toEqual({
    invariants: new Set(['1']),
    sections: new Map([
      ['3', 'Contracts'],
      ['3.1', 'Events'],
      ['4', 'Once'],
    ]),
  });
});

it.each([
  '(invariant 2), invariants 1, 2 and 10, contract 3.1, ARCHITECTURE.md 5',
  'RFC 9110, section 8.4.1; by design, 3 of them; 12 invariants',
])('passes what is there, and what cites something else: %s', (text) => {
  expect(brokenCitations('a.ts', text, small)).toEqual([]);
});

it.each([
  ['Invariants 1 to 7', 'invariant 7'],
  ['Invariants 2, 3 and 10', 'invariant 3'],
  ['as invariant\n * 12 says', 'invariant 12'],
  ['-- (contract 3.9)', 'section 3.9'],
  ['ARCHITECTURE.md, section 6', 'section 6'],
  ['ARCHITECTURE.md 3.1, 3.2', 'section 3.2'],
])('finds what is not there: %s', (text, missing) => {
  expect(brokenCitations('a.ts', text, small)).toEqual([`a.ts: ARCHITECTURE.md has no ${missing}.`]);
});

it.each(['design 3.1', 'design, section 4', 'design, invariant 2', 'see design.md', 'style.md 16'])(
  'finds a citation of what the repository does not hold: %s',
  (text) => {
    expect(brokenCitations('a.ts', text, small)).toHaveLength(1);
  },
);

it.each([
  ['2: something', undefined],
  ['3.1: something', undefined],
  ['5 (faults): something', undefined],
  ['meters: something', undefined],
  ['3: something', '"3: something": ARCHITECTURE.md has no invariant 3.'],
  ['3.2: something', '"3.2: something": ARCHITECTURE.md has no section 3.2.'],
  ['5 (meters): x', '"5 (meters): x": section 5 of ARCHITECTURE.md is "Faults", and not about meters.'],
  ['5, something', '"5, something" has a number and no colon behind it.'],
])('judges the rule of a mutant: %s', (rule, fault) => {
  expect(brokenRule(rule, small)).toBe(fault);
});
