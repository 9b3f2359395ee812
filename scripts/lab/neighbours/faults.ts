import type { Cluster } from '../cluster/cluster.ts';
import type { PostedEvent } from '../cluster/requests.ts';
import { apiCalls, documentsSigned, meters } from '../load/catalogue.ts';

/** What a connected account, or the platform's own, has: who of it waits by right, and what is wrong. */
export interface Neighbour {
  readonly account: string | undefined;
  readonly fault: string;
  /** Told to the simulator, for this account. */
  readonly faults?: readonly object[];
  /** Of its customers, those whose usage may wait; absent: none, or all. */
  readonly mayWait?: readonly number[] | 'all';
  /** Of those, what is posted instead of the common meter. */
  readonly meter?: string;
  readonly isRevoked?: true;
  readonly isUnknown?: true;
}

export const customersEach = 20;
const failing = Array.from({ length: 10 }, (_, customer) => customer);

/** Each fault of issue-like reports once; the others are well. */
export function neighbours(accounts: number): Neighbour[] {
  const ofCustomer = (account: string | undefined, customer: number): string => customerName(account, customer);
  const faulty: Neighbour[] = [
    {
      account: 'acct_0',
      fault: 'one lane that stays locked',
      faults: [{ kind: 'lock-timeout', customer: ofCustomer('acct_0', 0) }],
      mayWait: [0],
    },
    { account: 'acct_1', fault: 'its list of meters answers 500', faults: [onLists('error')], mayWait: 'all' },
    { account: 'acct_2', fault: 'its list of meters is never answered', faults: [onLists('timeout')], mayWait: 'all' },
    { account: 'acct_3', fault: "its list of meters is a proxy's page", faults: [onLists('proxy')], mayWait: 'all' },
    {
      account: 'acct_4',
      fault: '500 for half of its customers',
      faults: failing.map((customer) => ({ kind: 'error', customer: ofCustomer('acct_4', customer) })),
      mayWait: failing,
    },
    {
      account: 'acct_5',
      fault: 'many count events of one customer fail',
      faults: [{ kind: 'error', customer: ofCustomer('acct_5', 0) }],
      mayWait: [0],
      meter: meters[documentsSigned].name,
    },
    { account: 'acct_6', fault: 'answers after 4.5 s', faults: [{ kind: 'slow', delayMs: 4_500 }], mayWait: 'all' },
    { account: 'acct_7', fault: 'revoked', isRevoked: true, mayWait: 'all' },
    { account: 'acct_8', fault: 'never answers', faults: [onEvents('timeout')], mayWait: 'all' },
    { account: 'acct_9', fault: 'one unknown customer', isUnknown: true, mayWait: [0] },
    {
      account: undefined,
      fault: 'a misspelt meter, and 500 for half of its customers',
      faults: failing.map((customer) => ({ kind: 'error', customer: ofCustomer(undefined, customer) })),
      mayWait: [...failing, 10],
      meter: 'api_cals',
    },
  ];
  const well = Array.from({ length: Math.max(0, accounts - 10) }, (_, index) => ({
    account: `acct_${index + 10}`,
    fault: 'none',
  }));
  return [...faulty, ...well];
}

export function customerName(account: string | undefined, customer: number): string {
  return `cus_${account ?? 'own'}_${customer}`;
}

export function mayWait({ mayWait: who = [] }: Neighbour, customer: number): boolean {
  return who === 'all' || who.includes(customer);
}

/** One event of a customer. */
export function eventOf(neighbour: Neighbour, customer: number, id: string): PostedEvent {
  const { account, meter } = neighbour;
  // The misspelt meter is one customer's; the count events are those of the customer that fails.
  const isOdd = meter !== undefined && (account === undefined ? customer === 10 : customer === 0);
  return {
    id,
    customer: customerName(account, customer),
    meter: isOdd ? meter : meters[apiCalls].name,
    value: 1,
    ...(account === undefined ? {} : { account }),
  };
}

export async function breakNeighbours(all: readonly Neighbour[], { simulator }: Cluster): Promise<void> {
  const faults = all.flatMap(({ account, faults: own = [] }) =>
    own.map((fault) => ({ ...fault, ...(account === undefined ? {} : { account }) })),
  );
  const world = {
    revokedAccounts: all.flatMap(({ account, isRevoked }) => (isRevoked && account !== undefined ? [account] : [])),
    unknownCustomers: all.flatMap(({ account, isUnknown }) => (isUnknown ? [customerName(account, 0)] : [])),
  };
  for (const [page, body] of [
    ['faults', faults],
    ['world', world],
  ] as const) {
    const headers = { 'content-type': 'application/json' };
    const url = `${simulator?.url ?? ''}/_sim/${page}`;
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  }
}

function onLists(kind: string): object {
  return { kind, endpoint: 'list-meters' };
}

function onEvents(kind: string): object {
  return { kind, endpoint: 'create-meter-event' };
}
