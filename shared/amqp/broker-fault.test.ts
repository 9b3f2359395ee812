import { expect, it } from 'vitest';
import { brokerFault } from './broker-fault.ts';

const coded = (code: string, message = code) => Object.assign(new Error(message), { code });

// The messages are those that amqplib gave against RabbitMQ, and against servers that are none.
it.each([
  [
    'Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused"',
    'credentials',
  ],
  ['Expected ConnectionOpenOk; got <ConnectionClose channel:0>', 'vhost'],
  ['SASL mechanism PLAIN is not provided by the server', 'credentials'],
  ['Frame size 1345270062 exceeds maxFrameSize 67108864', 'protocol'],
  ['Socket closed abruptly during opening handshake', 'protocol'],
  ['connect ETIMEDOUT', 'timeout'],
  ['Connection closed: 320 (CONNECTION-FORCED) with message "CONNECTION_FORCED - broker forced"', 'forced'],
  ['Heartbeat timeout', 'silent'],
  ['Unexpected close', 'closed'],
  ['the broker closed the connection', 'closed'],
])('knows what "%s" means', (message, reason) => {
  expect(brokerFault(new Error(message)).reason).toBe(reason);
});

it.each([
  [coded('ENOTFOUND'), 'dns'],
  [coded('ECONNREFUSED'), 'refused'],
  [new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')]), 'refused'],
  [coded('ECONNRESET'), 'reset'],
  [coded('SELF_SIGNED_CERT_IN_CHAIN'), 'tls_untrusted'],
  [coded('CERT_HAS_EXPIRED'), 'tls_expired'],
  [coded('ERR_TLS_CERT_ALTNAME_INVALID'), 'tls_name'],
  [coded('ERR_SSL_WRONG_VERSION_NUMBER'), 'tls_protocol'],
])('knows what the network and TLS say: %s', (error, reason) => {
  expect(brokerFault(error).reason).toBe(reason);
});

it('repeats what nobody foresaw, as one sentence', () => {
  expect(brokerFault(new Error('something\n new'))).toEqual({ reason: 'other', words: 'something new.' });
});

// A broker that was killed after days of work was told as a wrong port, user or password.
it('doubts port, user and password only of a connection that never was', () => {
  expect(brokerFault(coded('ECONNRESET')).words).toContain('AMQP_URL');
  expect(brokerFault(coded('ECONNRESET'), true)).toEqual({
    reason: 'reset',
    words: 'it, or something on the way, cut the connection.',
  });
});
