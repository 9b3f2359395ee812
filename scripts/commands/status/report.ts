import type { Finding } from './finding.ts';

const titles = { wrong: 'WRONG', unknown: 'NOT KNOWN', parked: 'PARKED', waiting: 'WAITING', well: 'WELL' } as const;

/** What a person reads: the worst first, then what to do about it, the verdict at the end. */
export function report(namespace: string, findings: readonly Finding[]): string {
  const parts = Object.entries(titles).flatMap(([kind, title]) => {
    const some = findings.filter((finding) => finding.kind === kind);
    return some.length === 0 ? [] : [[title, ...some.map(({ text }) => `  ${text}`)]];
  });
  const advice = [...new Set(findings.flatMap((finding) => finding.advice ?? []))];
  const toDo = advice.length === 0 ? [] : [['WHAT TO DO', ...advice.map((text) => `  ${text}`)]];
  return [...parts, ...toDo, [verdict(namespace, findings)]].map((lines) => lines.join('\n')).join('\n\n');
}

function verdict(namespace: string, findings: readonly Finding[]): string {
  const has = (kind: Finding['kind']): boolean => findings.some((finding) => finding.kind === kind);
  if (has('wrong')) return `${namespace} needs you: not all usage is counted, or soon it is not.`;
  if (has('unknown'))
    return `${namespace}: what consumers see is not known, so nobody can say that all is well. Look at their /readyz.`;
  if (has('parked')) return `${namespace} works; a person has to decide about what is parked.`;
  if (has('waiting')) return `${namespace} works; what waits goes on by itself.`;
  return `${namespace} is healthy; nothing waits.`;
}
