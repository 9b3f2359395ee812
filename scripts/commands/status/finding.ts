/**
 * How one part of the cluster is judged. `well`: as it should be. `waiting`: it goes on by itself. `parked`: kept until
 * a person decides. `unknown`: it cannot be seen from here. `wrong`: nothing, or not everything, is counted until a person acts, or
 * that is near.
 */
export interface Finding {
  readonly kind: 'well' | 'waiting' | 'parked' | 'unknown' | 'wrong';
  readonly text: string;
  /** What a person does about it. */
  readonly advice?: string;
}

/** Whether a person has to act, or to look. */
export function needsPerson(findings: readonly Finding[]): boolean {
  return findings.some(({ kind }) => kind === 'wrong' || kind === 'parked' || kind === 'unknown');
}
