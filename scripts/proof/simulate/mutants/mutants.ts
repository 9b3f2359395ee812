import { callMutants } from './calls.ts';
import { commitMutants } from './commits.ts';
import { countingMutants } from './counting.ts';
import { custodyMutants } from './custody.ts';
import { meterMutants } from './meters.ts';
import type { Mutant } from './mutant.ts';
import { sidecarMutants } from './sidecar.ts';

export const mutants: readonly Mutant[] = [
  ...commitMutants,
  ...countingMutants,
  ...custodyMutants,
  ...callMutants,
  ...meterMutants,
  ...sidecarMutants,
];

export function mutantNamed(name: string): Mutant {
  const mutant = mutants.find((candidate) => candidate.name === name);
  if (mutant === undefined)
    throw new Error(
      `There is no mutant ${JSON.stringify(name)}; there are: ${mutants.map((each) => each.name).join(', ')}.`,
    );
  return mutant;
}
