import { consumerMutants } from './consumer.ts';
import { publisherMutants } from './publisher.ts';
import type { ShellMutant } from './shell-mutant.ts';

export const shellMutants: readonly ShellMutant[] = [...publisherMutants, ...consumerMutants];
