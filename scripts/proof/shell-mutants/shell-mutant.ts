import type { Patch } from '../patch/patch.ts';

/**
 * One bug put into a shell on purpose, and the suite that has to see it. What a shell does, the simulation does not see: it
 * has shells of its own. As with the simulation's mutants, the bug is a replacement that is made while the file is loaded.
 */
export interface ShellMutant {
  /** What is done wrong, in a few words: its name on the command line. */
  readonly name: string;
  /** Which rule of ARCHITECTURE.md it breaks, cited as in the mutants of the simulation. */
  readonly rule: string;
  readonly patches: readonly Patch[];
  /** The test file that must fail, from the project's folder. A unit test: it needs neither broker nor Redis. */
  readonly suite: string;
}
