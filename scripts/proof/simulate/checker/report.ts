/** Where violations go; the first one ends the run. */
export class Report {
  readonly violations: string[] = [];
  checkedLines = 0;
  uncheckedLines = 0;
  readonly #found: () => void;

  constructor(found: () => void) {
    this.#found = found;
  }

  violation(sentence: string): void {
    this.violations.push(sentence);
    this.#found();
  }
}
