/** Who exists and who may call, as a person or a test declares it. By default everything does. */
export interface Declaration {
  readonly unknownCustomers: readonly string[];
  /** By event name, in every account. */
  readonly archivedMeters: readonly string[];
  readonly revokedKeys: readonly string[];
  readonly revokedAccounts: readonly string[];
}

export class World {
  #unknownCustomers: ReadonlySet<string> = new Set();
  #archivedMeters: ReadonlySet<string> = new Set();
  #revokedKeys: ReadonlySet<string> = new Set();
  #revokedAccounts: ReadonlySet<string> = new Set();

  /** Each list that is given replaces the one before it. */
  declare(declaration: { readonly [Name in keyof Declaration]?: Declaration[Name] | undefined }): void {
    if (declaration.unknownCustomers !== undefined) this.#unknownCustomers = new Set(declaration.unknownCustomers);
    if (declaration.archivedMeters !== undefined) this.#archivedMeters = new Set(declaration.archivedMeters);
    if (declaration.revokedKeys !== undefined) this.#revokedKeys = new Set(declaration.revokedKeys);
    if (declaration.revokedAccounts !== undefined) this.#revokedAccounts = new Set(declaration.revokedAccounts);
  }

  declared(): Declaration {
    return {
      unknownCustomers: [...this.#unknownCustomers],
      archivedMeters: [...this.#archivedMeters],
      revokedKeys: [...this.#revokedKeys],
      revokedAccounts: [...this.#revokedAccounts],
    };
  }

  hasCustomer(customer: string): boolean {
    return customer.startsWith('cus_') && !this.#unknownCustomers.has(customer);
  }

  isArchived(eventName: string): boolean {
    return this.#archivedMeters.has(eventName);
  }

  isRevokedKey(key: string): boolean {
    return this.#revokedKeys.has(key);
  }

  hasAccount(account: string): boolean {
    return account.startsWith('acct_') && !this.#revokedAccounts.has(account);
  }
}
