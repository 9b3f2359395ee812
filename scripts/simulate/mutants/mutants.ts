import { custodyMutants } from './custody.ts';
import type { Mutant } from './mutant.ts';

export const mutants: readonly Mutant[] = [...custodyMutants];

export function mutantNamed(name: string): Mutant {
  const mutant = mutants.find((candidate) => candidate.name === name);
  if (mutant === undefined)
    throw new Error(`There is no mutant ${JSON.stringify(name)}; there are: ${mutants.map(({ name }) => name).join(', ')}.`);
  return mutant;
}
