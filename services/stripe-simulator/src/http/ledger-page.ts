import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Simulator } from '../rules/simulator.ts';

const rowsPerWrite = 1_000;

/**
 * Writes the ledger as one JSON object, a thousand totals at a time, so that neither memory nor the calls that arrive
 * meanwhile suffer. `complete` comes last: false if usage was counted while the totals were written, so that they are
 * not of one moment; then ask again.
 */
export async function writeLedger(
  response: ServerResponse,
  simulator: Simulator,
  options: { readonly customer: string | undefined; readonly withTotals: boolean },
): Promise<void> {
  const { ledger } = simulator;
  const { events, duplicates, throttled, ...more } = ledger.counts;
  const counted = { ...more, identifiersForgottenEarly: simulator.remembered.forgottenEarly };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write(`${JSON.stringify({ events, duplicates, throttled }).slice(0, -1)},"totals":[`);
  if (options.withTotals) {
    let rows: string[] = [];
    let separator = '';
    for (const total of ledger.totals(options.customer)) {
      rows.push(JSON.stringify(total));
      if (rows.length < rowsPerWrite) continue;
      if (!response.write(separator + rows.join(','))) await drained(response);
      if (response.destroyed) return;
      rows = [];
      separator = ',';
    }
    if (rows.length > 0) response.write(separator + rows.join(','));
  }
  response.end(`],${JSON.stringify({ ...counted, complete: ledger.counts.events === events }).slice(1)}`);
}

/** A client that goes away will never drain: `close` ends the wait too. */
async function drained(response: ServerResponse): Promise<void> {
  const done = new AbortController();
  try {
    await Promise.race([once(response, 'drain', done), once(response, 'close', done)]);
  } finally {
    done.abort();
  }
}
