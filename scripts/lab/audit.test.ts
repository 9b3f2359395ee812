import { describe, expect, it } from 'vitest';
import { audit, type Ledger } from './audit.ts';
import type { Owed } from './load/books.ts';

const owedTokens: Owed = { customer: 'cus_1', meter: 'tokens', formula: 'sum', units: 123_4500n, events: 3 };
const owedSeats: Owed = { customer: 'cus_1', meter: 'seats', formula: 'last', units: 7_0000n, events: 2 };

function ledgerOf(...totals: readonly (readonly [meter: string, value: string])[]): Ledger {
  const rows = totals.map(([event_name, value]) => ({ customer: 'cus_1', event_name, value, events: 1 }));
  return { events: rows.length, duplicates: 0, throttled: 0, totals: rows };
}

describe('audit', () => {
  it('finds nothing where the ledger holds exactly what is owed, however it is written', () => {
    const verdict = audit([owedTokens, owedSeats], ledgerOf(['tokens', '123.450'], ['seats', '7']));
    expect(verdict.differences).toEqual([]);
    expect(verdict.compared).toBe(2);
    expect(verdict.perMeter[0]).toMatchObject({ meter: 'tokens', owed: '123.45', billed: '123.45', events: 3 });
  });

  it('tells less from more, to the last digit', () => {
    expect(audit([owedTokens], ledgerOf(['tokens', '123.4499'])).differences).toEqual([
      { customer: 'cus_1', meter: 'tokens', kind: 'short', owed: '123.45', billed: '123.4499' },
    ]);
    expect(audit([owedTokens], ledgerOf(['tokens', '123.450000000001'])).differences).toMatchObject([{ kind: 'over' }]);
  });

  it('finds what was not billed at all, even if it sums to nothing', () => {
    const nothing = { ...owedTokens, units: 0n };
    expect(audit([nothing], ledgerOf()).differences).toMatchObject([{ kind: 'short', billed: 'nothing' }]);
  });

  it('finds what was billed and never sent', () => {
    expect(audit([], ledgerOf(['tokens', '1'])).differences).toMatchObject([{ kind: 'over', owed: 'nothing' }]);
  });

  it('finds a newest value that is not the newest', () => {
    expect(audit([owedSeats], ledgerOf(['seats', '6'])).differences).toMatchObject([{ kind: 'wrong' }]);
  });

  it('refuses a ledger with a value that is no decimal', () => {
    expect(() => audit([owedTokens], ledgerOf(['tokens', 'NaN']))).toThrow(/NaN/);
  });
});
