import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Identity } from './intake.ts';

/** A line of the bill: what one key used in one window. */
export interface Line {
  readonly name: string;
  readonly identities: Identity[];
  readonly entries: Entry[];
}
