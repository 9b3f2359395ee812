import type { Patch } from '../../patch/patch.ts';
import type { CoincidenceName, ProfileName } from '../drawing/profile.ts';

/**
 * One rule broken on purpose. A mutant is data: the modules under test carry no switches, they are patched while the simulation
 * loads them (scripts/proof/patch).
 */
export interface Mutant {
  /** What is done wrong, in a few words without a comma: its name on the command line. */
  readonly name: string;
  /** Which rule of ARCHITECTURE.md it breaks: `4: …` an invariant, `3.1: …` a contract, `5 (faults): …` a section. */
  readonly rule: string;
  readonly patches: readonly Patch[];
  /** Where it shows: only seeds of these profiles are tried. Absent: all. */
  readonly profiles?: readonly ProfileName[];
  /** What it takes: only seeds of this coincidence are tried. */
  readonly coincidence?: CoincidenceName;
  /** Part of the violation that has to be found; others are passed over. */
  readonly expects?: string;
  /** Why nothing can be found: the rule is covered by another one. Then the checker must not find anything. */
  readonly coveredBy?: string;
}
