import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../../../shared/testing/ports.ts';
import { accept, entry, json, meter, providerAt, type Reply, scriptedStripe } from './testing/scripted-stripe.ts';

describe("Stripe's answer", () => {
  it.each<[string, Reply, string]>([
    [
      'of an event that exists',
      json(400, { error: { type: 'invalid_request_error', message: 'An event already exists with identifier x.' } }),
      'accepted',
    ],
    [
      'of a refusal',
      json(400, { error: { type: 'invalid_request_error', code: 'archived_meter', message: 'Archived.' } }),
      'refused',
    ],
    ['of the limiter', json(429, { error: { type: 'invalid_request_error', message: 'Slow down.' } }), 'throttled'],
    [
      'of a second call of the lane',
      json(409, { error: { type: 'invalid_request_error', message: 'Busy.' } }),
      'throttled',
    ],
    [
      'of a revoked key',
      json(401, { error: { type: 'invalid_request_error', message: 'Invalid API Key.' } }),
      'unauthorized',
    ],
    [
      'of a restricted key',
      json(403, { error: { type: 'invalid_request_error', message: 'Not allowed.' } }),
      'unauthorized',
    ],
    ['without an error key, though it failed', json(502, { message: 'bad gateway' }), 'unknown'],
    ['without an error key from a limiting proxy', json(429, { message: 'too many' }), 'throttled'],
    ['with text for an error', json(400, { error: 'Bad Request' }), 'unknown'],
    ['with a number for an error', json(400, { error: 5 }), 'unknown'],
    ['that is another object', json(200, { object: 'customer' }), 'unknown'],
    ['that is a bare string', json(200, 'OK'), 'unknown'],
    ['that is null', json(200, null), 'unknown'],
    ['that is a number', json(503, 1), 'unknown'],
    ['that is empty', (response) => void response.writeHead(200).end(), 'unknown'],
    [
      'that is a page',
      (response) => void response.writeHead(502, { 'content-type': 'text/html' }).end('<html>502</html>'),
      'unknown',
    ],
    ['that is somewhere else', (response) => void response.writeHead(302, { location: '/' }).end(), 'unknown'],
  ])('%s is one call', async (_, reply, kind) => {
    const { base, seen } = await scriptedStripe(reply);
    expect(await providerAt(base).send(entry, meter)).toMatchObject({ kind });
    expect(seen).toHaveLength(1);
  });
});

describe('a connection to Stripe', () => {
  it('that is reset before the answer is one call with an unknown outcome', async () => {
    const { base, seen } = await scriptedStripe((response) => void response.socket!.resetAndDestroy());
    expect(await providerAt(base).send(entry, meter)).toMatchObject({ kind: 'unknown' });
    expect(seen).toHaveLength(1);
  });

  it('that is reset on its second use is one call with an unknown outcome', async () => {
    let calls = 0;
    const { base, seen } = await scriptedStripe((response, call) =>
      ++calls === 1 ? accept(response, call) : void response.socket!.resetAndDestroy(),
    );
    const provider = providerAt(base);
    expect(await provider.send(entry, meter)).toEqual({ kind: 'accepted' });
    expect(await provider.send(entry, meter)).toMatchObject({ kind: 'unknown' });
    expect(seen).toHaveLength(2);
  });

  it('that ends within the answer is one call with an unknown outcome', async () => {
    const { base, seen } = await scriptedStripe((response) => {
      response.writeHead(200, { 'content-length': '500' }).write('{"object":"billing.meter_event",');
      setImmediate(() => response.socket!.destroy());
    });
    expect(await providerAt(base).send(entry, meter)).toMatchObject({ kind: 'unknown' });
    expect(seen).toHaveLength(1);
  });

  it('that stays silent ends with the timeout', async () => {
    const { base, seen } = await scriptedStripe(() => undefined);
    const startedAtMs = performance.now();
    expect(await providerAt(base, { timeoutMs: 200 }).send(entry, meter)).toEqual({
      kind: 'unknown',
      reason: 'no answer within 200 ms',
    });
    expect(performance.now() - startedAtMs).toBeLessThan(5_000);
    expect(seen).toHaveLength(1);
  });

  it('that drips its answer ends with the timeout as well', async () => {
    const { base } = await scriptedStripe(async (response) => {
      response.writeHead(200);
      for (let drop = 0; drop < 1_000 && !response.destroyed; drop++) {
        response.write(' ');
        await sleep(20);
      }
      response.end();
    });
    const startedAtMs = performance.now();
    expect(await providerAt(base, { timeoutMs: 200 }).send(entry, meter)).toMatchObject({ kind: 'unknown' });
    expect(performance.now() - startedAtMs).toBeLessThan(5_000);
  });

  // Once, a process that was stopped while it connected wrote its call as soon as it went on, before it looked at the time:
  // the lease was over, and the shard's next owner was calling the same lane.
  it('that is there only when the timeout is over carries no call', async () => {
    const { base, seen } = await scriptedStripe(accept);
    const provider = providerAt(base, { timeoutMs: 100 });
    const outcome = provider.send(entry, meter);
    await untilConnecting();
    standStill(300);
    expect(await outcome).toEqual({ kind: 'unsent', reason: 'no answer within 100 ms' });
    expect(await provider.send(entry, meter)).toEqual({ kind: 'accepted' });
    expect(seen).toHaveLength(1);
  });

  it('that nobody takes is certainly unsent', async () => {
    const outcome = await providerAt(`http://127.0.0.1:${await freePort()}`).send(entry, meter);
    expect(outcome).toMatchObject({ kind: 'unsent', reason: expect.stringContaining('ECONNREFUSED') });
  });

  it('to a name that does not exist is certainly unsent', async () => {
    const outcome = await providerAt('http://stripe.invalid').send(entry, meter);
    expect(outcome).toMatchObject({ kind: 'unsent', reason: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) });
  });

  it('that cannot be secured is certainly unsent', async () => {
    const { base, seen } = await scriptedStripe(accept);
    expect(await providerAt(base.replace('http:', 'https:')).send(entry, meter)).toMatchObject({ kind: 'unsent' });
    expect(seen).toHaveLength(0);
  });
});

/** Lets everything run that needs no event from outside; the connection cannot be there before the next of those. */
async function untilConnecting(): Promise<void> {
  for (let hop = 0; hop < 100; hop++) await new Promise<void>((resolve) => process.nextTick(resolve));
}

/** As SIGSTOP and SIGCONT: the process does nothing, the kernel goes on. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
