import type { Item } from './item.ts';

/**
 * Connected accounts that the provider does not serve while it serves others, and what the pending set has for them. Their
 * entries are not called, so they must neither look as if they had been nor hold up the next set.
 */
export class ClosedAccounts {
  /** Why: what the dispatcher was told about the account's calls. */
  readonly #closed = new Map<string, string>();
  /** Why: what came of reading its meters. Without those none of its calls can start at all. */
  readonly #unreadable = new Map<string, string>();
  /** Items of the pending set that have not ended, by connected account. */
  readonly #waiting = new Map<string, Set<Item>>();

  changed(account: string, closedFor: string | undefined): void {
    if (closedFor === undefined) this.#closed.delete(account);
    else this.#closed.set(account, closedFor);
  }

  unreadable(accounts: Iterable<readonly [account: string, reason: string]>): void {
    this.#unreadable.clear();
    for (const [account, reason] of accounts) this.#unreadable.set(account, reason);
  }

  /** No attempt of the account is to be journaled; but one call of it may be armed, to try it with. */
  isClosed(account: string, isArmed: boolean): boolean {
    return this.#unreadable.has(account) || (this.#closed.has(account) && isArmed);
  }

  get closed(): ReadonlySet<string> {
    return new Set([...this.#closed.keys(), ...this.#unreadable.keys()]);
  }

  newSet(): void {
    this.#waiting.clear();
  }

  waits(item: Item): void {
    const { account } = item.entry;
    if (account === undefined) return;
    const known = this.#waiting.get(account);
    if (known === undefined) this.#waiting.set(account, new Set([item]));
    else known.add(item);
  }

  ended(item: Item): void {
    const { account } = item.entry;
    if (account !== undefined) this.#waiting.get(account)?.delete(item);
  }

  /** What is left of the set, with the reason, if all of it belongs to closed accounts. */
  onlyThemLeft(unsettled: number): [item: Item, reason: string][] {
    if (this.#closed.size + this.#unreadable.size === 0 || unsettled === 0) return [];
    const left: [Item, string][] = [];
    for (const [account, items] of this.#waiting) {
      const reason = this.#closed.get(account) ?? this.#unreadable.get(account);
      if (reason !== undefined) for (const item of items) left.push([item, reason]);
    }
    return left.length === unsettled ? left : [];
  }
}

/** How many of something each connected account has. */
export class AccountCounts {
  readonly #counts = new Map<string, number>();

  get(account: string): number {
    return this.#counts.get(account) ?? 0;
  }

  add(account: string | undefined): void {
    if (account !== undefined) this.#counts.set(account, this.get(account) + 1);
  }

  remove(account: string | undefined): void {
    if (account === undefined) return;
    const left = this.get(account) - 1;
    if (left > 0) this.#counts.set(account, left);
    else this.#counts.delete(account);
  }
}
