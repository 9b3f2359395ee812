import { anchorsOf } from './links.ts';

/** What ARCHITECTURE.md has under a number. */
export interface Constitution {
  readonly invariants: ReadonlySet<string>;
  /** Number of each section to its title. */
  readonly sections: ReadonlyMap<string, string>;
}

export function constitutionOf(architecture: string): Constitution {
  const anchors = [...anchorsOf(architecture)].flatMap((anchor) => /^invariant-(\d+)$/.exec(anchor)?.[1] ?? []);
  const headings = [...architecture.matchAll(/^#{2,3} (\d+(?:\.\d+)?)\.? (.+)$/gm)];
  return {
    invariants: new Set(anchors),
    sections: new Map(headings.map(([, number = '', title = '']) => [number, title])),
  };
}

const numbers = String.raw`(\d+(?:(?:, and |, | and | to )\d+)*)\b`;
const ofInvariants = new RegExp(String.raw`\binvariants? ${numbers}`, 'gi');
/** `contract 3.1`, `ARCHITECTURE.md 5`. */
const ofSections = /\b(?:contract|ARCHITECTURE(?:\.md)?),? (?:section )?(\d+(?:\.\d+)?(?:, \d\.\d+)*)/g;
/** Rules were once cited from papers that this repository does not have. */
const elsewhere = /\b(?:design(?:\.md\b| \d+\.\d|,? section \d|,? invariant \d)|style\.md\b)/g;

/** A sentence for each citation in a text that ARCHITECTURE.md does not answer. */
export function brokenCitations(file: string, text: string, constitution: Constitution): readonly string[] {
  // A citation may go on in the next line of a comment.
  const flat = text.replace(/\s*\n\s*(?:\*|\/\/|--|#)?\s*/g, ' ');
  const cited = [...flat.matchAll(ofInvariants)].flatMap(([, list = '']) => list.match(/\d+/g) ?? []);
  const sections = [...flat.matchAll(ofSections)].flatMap(([, list = '']) => list.split(', '));
  return [
    ...cited
      .filter((number) => !constitution.invariants.has(number))
      .map((number) => unknown(file, 'invariant', number)),
    ...sections
      .filter((number) => !constitution.sections.has(number))
      .map((number) => unknown(file, 'section', number)),
    ...[...flat.matchAll(elsewhere)].map(
      ([words]) => `${file}: "${words}" cites a document that is not here; cite ARCHITECTURE.md or CONTRIBUTING.md.`,
    ),
  ];
}

/**
 * The rule that a mutant breaks: `4: …` is an invariant, `3.1: …` a contract, `5 (faults): …` a section by number and a word of
 * its title. A rule without a number names its subject in words.
 */
export function brokenRule(rule: string, constitution: Constitution): string | undefined {
  const [, number, word] = /^(\d+(?:\.\d+)?)(?: \((\w+)\))?: /.exec(rule) ?? [];
  if (number === undefined) return /^\d/.test(rule) ? `"${rule}" has a number and no colon behind it.` : undefined;
  if (word === undefined && !number.includes('.'))
    return constitution.invariants.has(number) ? undefined : unknown(`"${rule}"`, 'invariant', number);
  const title = constitution.sections.get(number);
  if (title === undefined) return unknown(`"${rule}"`, 'section', number);
  return word === undefined || title.toLowerCase().includes(word)
    ? undefined
    : `"${rule}": section ${number} of ARCHITECTURE.md is "${title}", and not about ${word}.`;
}

function unknown(where: string, kind: 'invariant' | 'section', number: string): string {
  return `${where}: ARCHITECTURE.md has no ${kind} ${number}.`;
}
