import { platform } from '../provider/breakers.ts';
import type { AccountLine } from './account-line.ts';
import { TimeHeap } from './time-heap.ts';

/** An account, and what the sums below have of it. */
export interface Account<Source> {
  readonly line: AccountLine<Source>;
  isPrompt: boolean;
  startable: number;
  inFlight: number;
  slotsTaken: number;
  hasWork: boolean;
  /** Who has waited longer has the lower number. */
  turn: number;
}

/**
 * Which account's turn it is, and sums over all accounts. An account is looked at when something has happened to it, or its time has
 * come: what a tick costs depends on what changed, not on how many accounts and shards there are.
 *
 * Calls that take long keep their room for long: few slow accounts would have all of it. So accounts that are not prompt together have
 * an eighth of the room, and more only while no prompt one has a call to start, and as much stays free as the prompt ones
 * use, and an eighth at least. However many they are, the prompt ones can double what they use at any moment.
 */
export class Turns<Source> {
  readonly #concurrency: number;
  readonly #eighth: number;
  readonly #accounts = new Map<string, Account<Source>>();
  readonly #dirty = new Set<Account<Source>>();
  readonly #ready = { prompt: new Set<Account<Source>>(), slow: new Set<Account<Source>>() };
  readonly #wanting = { prompt: new Set<Account<Source>>(), slow: new Set<Account<Source>>() };
  readonly #wakes = new TimeHeap<Account<Source>>();
  readonly #lates = new TimeHeap<Account<Source>>();
  readonly #startable = { prompt: 0, slow: 0 };
  readonly #inFlight = { prompt: 0, slow: 0 };
  #slotsTaken = 0;
  #working = 0;
  #turn = 0;
  /** Accounts that were looked at since the beginning: the work that was done. */
  looks = 0;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
    this.#eighth = Math.floor(concurrency / 8);
  }

  /** Looked at with the next `look`. */
  of(name: string, create: () => AccountLine<Source>): Account<Source> {
    let account = this.#accounts.get(name);
    if (account === undefined) {
      const nothing = { isPrompt: false, startable: 0, inFlight: 0, slotsTaken: 0, hasWork: false, turn: 0 };
      account = { line: create(), ...nothing };
      this.#accounts.set(name, account);
    }
    this.#dirty.add(account);
    return account;
  }

  get inFlight(): number {
    return this.#inFlight.prompt + this.#inFlight.slow;
  }

  /** Slots of accounts' own rates that are there or asked for. */
  get slotsTaken(): number {
    return this.#slotsTaken;
  }

  /** Something may start soon, if not now. */
  get hasWork(): boolean {
    return this.#working > 0;
  }

  /** Calls that may be in flight beside those that are. */
  get room(): number {
    return Math.max(0, this.#concurrency - this.inFlight);
  }

  /** … of accounts that are not prompt. */
  get roomForSlow(): number {
    const spare = this.room - Math.max(this.#eighth, this.#inFlight.prompt);
    return Math.min(this.room, Math.max(0, this.#ownRoomOfSlow, spare));
  }

  /** What is left of their eighth. */
  get #ownRoomOfSlow(): number {
    return Math.max(1, this.#eighth) - this.#inFlight.slow;
  }

  /** Calls that only want a slot of the cluster's rate. */
  get startable(): number {
    const { prompt, slow } = this.#startable;
    return Math.min(this.room, prompt + Math.min(slow, this.roomForSlow));
  }

  /** When the next account has to be looked at so that something starts. */
  get nextAtMs(): number {
    return this.#wakes.firstAtMs;
  }

  /** Looks at all to which something has happened. */
  look(nowMs: number): void {
    for (const times of [this.#wakes, this.#lates])
      for (let due = times.takeDue(nowMs); due !== undefined; due = times.takeDue(nowMs)) this.#dirty.add(due);
    for (const account of this.#dirty) this.#lookAt(account, nowMs);
    this.#dirty.clear();
  }

  /** The account whose turn it is goes to the end of the line. */
  next(nowMs: number): AccountLine<Source> | undefined {
    this.look(nowMs);
    const [prompt] = this.#ready.prompt;
    const [slow] = this.roomForSlow > 0 ? this.#ready.slow : [];
    const isSlowsTurn = prompt === undefined || (this.#ownRoomOfSlow > 0 && (slow?.turn ?? 0) < prompt.turn);
    const account = slow !== undefined && isSlowsTurn ? slow : prompt;
    if (account === undefined) return undefined;
    this.#dirty.add(account);
    const ready = this.#ready[kindOf(account)];
    ready.delete(account);
    ready.add(account);
    account.turn = ++this.#turn;
    return account.line;
  }

  /** Accounts that want slots of their own rate, and how many each is to ask for, so that no more than `most` are taken. */
  *wanting(most: number, chunk: number, nowMs: number): Generator<{ line: AccountLine<Source>; count: number }> {
    for (const kind of ['prompt', 'slow'] as const) {
      const asking = this.#wanting[kind];
      for (const account of asking) {
        const left = most - this.#slotsTaken;
        if (left <= 0) break;
        const fair = Math.ceil(left / asking.size);
        const count = Math.min(account.line.slotsWanted(nowMs), chunk, fair);
        if (count > 0) {
          account.line.asks(count);
          yield { line: account.line, count };
        }
        this.#lookAt(account, nowMs);
      }
    }
  }

  #lookAt(account: Account<Source>, nowMs: number): void {
    this.looks++;
    const { line } = account;
    this.#count(account, -1);
    this.#leave(account);
    account.isPrompt = line.isPrompt;
    account.startable = line.startable(nowMs);
    account.inFlight = line.inFlight;
    account.slotsTaken = line.account === platform ? 0 : line.slotsTaken;
    account.hasWork = line.hasWork;
    this.#count(account, 1);
    if (line.isIdle) {
      this.#accounts.delete(line.account);
      this.#wakes.set(account, Number.POSITIVE_INFINITY);
      this.#lates.set(account, Number.POSITIVE_INFINITY);
      return;
    }
    const kind = kindOf(account);
    if (account.startable > 0) {
      if (!this.#ready[kind].has(account)) {
        this.#ready[kind].add(account);
        account.turn = ++this.#turn;
      }
    } else this.#ready[kind].delete(account);
    if (line.slotsWanted(nowMs) > 0) this.#wanting[kind].add(account);
    else this.#wanting[kind].delete(account);
    this.#wakes.set(account, line.wakeAtMs(nowMs));
    this.#lates.set(account, line.account === platform ? Number.POSITIVE_INFINITY : line.lateAtMs);
  }

  /** Out of the lines of what it is not any more. */
  #leave(account: Account<Source>): void {
    if (account.isPrompt === account.line.isPrompt && !account.line.isIdle) return;
    for (const lines of [this.#ready, this.#wanting]) lines[kindOf(account)].delete(account);
  }

  #count(account: Account<Source>, sign: 1 | -1): void {
    const kind = kindOf(account);
    this.#startable[kind] += sign * account.startable;
    this.#inFlight[kind] += sign * account.inFlight;
    this.#slotsTaken += sign * account.slotsTaken;
    if (account.hasWork) this.#working += sign;
  }
}

function kindOf({ isPrompt }: { readonly isPrompt: boolean }): 'prompt' | 'slow' {
  return isPrompt ? 'prompt' : 'slow';
}
