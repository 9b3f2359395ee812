import { consumerMutants } from './consumer.ts';
import { intakeMutants } from './intake.ts';
import { publisherMutants } from './publisher.ts';
import type { ShellMutant } from './shell-mutant.ts';
import { storeMutants } from './stores.ts';

export const shellMutants: readonly ShellMutant[] = [
  ...publisherMutants,
  ...consumerMutants,
  ...storeMutants,
  ...intakeMutants,
];
