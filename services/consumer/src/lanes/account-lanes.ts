import type { Item } from './item.ts';

/** Items of one lane, in line: one after the other (invariant 10). */
export interface Lane {
  readonly name: string;
  readonly account: string;
  readonly items: Item[];
}

/** The lanes of one account that could go on: none of them waits behind those of another account. */
export class AccountLanes {
  #unmarked: Lane[] = [];
  #unmarkedHead = 0;
  #armed: Lane[] = [];
  #head = 0;

  get armed(): number {
    return this.#armed.length - this.#head;
  }

  get unmarked(): number {
    return this.#unmarked.length - this.#unmarkedHead;
  }

  addUnmarked(lane: Lane): void {
    this.#unmarked.push(lane);
  }

  /** Not by `shift`, which moves all the others: with a million lanes a chunk of 64 took 99 ms. */
  takeUnmarked(): Lane | undefined {
    const lane = this.#unmarked[this.#unmarkedHead];
    if (lane === undefined) return undefined;
    this.#unmarkedHead++;
    if (this.#unmarkedHead > 256 && this.#unmarkedHead * 2 > this.#unmarked.length) {
      this.#unmarked = this.#unmarked.slice(this.#unmarkedHead);
      this.#unmarkedHead = 0;
    }
    return lane;
  }

  arm(lane: Lane): void {
    this.#armed.push(lane);
  }

  /** A lane of this kind becomes the next; false: there is none. */
  bringForward(isWanted: (lane: Lane) => boolean): boolean {
    const at = this.#armed.findIndex((lane, index) => index >= this.#head && isWanted(lane));
    if (at < 0) return false;
    this.#armed.splice(this.#head, 0, ...this.#armed.splice(at, 1));
    return true;
  }

  hasArmed(isWanted: (lane: Lane) => boolean): boolean {
    return this.#armed.some((lane, index) => index >= this.#head && isWanted(lane));
  }

  hasUnmarked(isWanted: (lane: Lane) => boolean): boolean {
    return this.#unmarked.some((lane, index) => index >= this.#unmarkedHead && isWanted(lane));
  }

  /** Takes the lanes out whose first item is gone. */
  sift(): Lane[] {
    const unmarked = this.#unmarked.slice(this.#unmarkedHead);
    const out = [...unmarked, ...this.#armed.slice(this.#head)].filter(beginsWithGone);
    this.#unmarked = unmarked.filter((lane) => !beginsWithGone(lane));
    this.#unmarkedHead = 0;
    this.#armed = this.#armed.slice(this.#head).filter((lane) => !beginsWithGone(lane));
    this.#head = 0;
    return out;
  }

  take(): Lane | undefined {
    const lane = this.#armed[this.#head];
    if (lane === undefined) return undefined;
    this.#head++;
    if (this.#head > 256 && this.#head * 2 > this.#armed.length) {
      this.#armed = this.#armed.slice(this.#head);
      this.#head = 0;
    }
    return lane;
  }
}

export function beginsWithGone({ items: [first] }: Lane): boolean {
  return first?.isGone === true;
}
