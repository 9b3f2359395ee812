import { type Fault, messageOf, networkFault, unforeseen } from '../network/fault.ts';

const early =
  'Check its port (amqp:// 5672, amqps:// 5671), and the user and password of AMQP_URL: some brokers hang up on wrong ones.';

/** What amqplib's errors mean: by the words that it, or the broker, begins them with. */
const meanings: readonly (readonly [RegExp, Fault])[] = [
  [
    /ACCESS.REFUSED/,
    {
      reason: 'credentials',
      words: 'it refuses the user or the password. Correct AMQP_URL, or the user at the broker.',
      lasts: true,
    },
  ],
  [
    /Expected ConnectionOpenOk/,
    {
      reason: 'vhost',
      words:
        'it does not let this user into the virtual host of AMQP_URL: there is none of that name (it is what follows the last slash), the user has no ' +
        'rights in it, or its connection limit is reached.',
      lasts: true,
    },
  ],
  [
    /SASL mechanism/,
    {
      reason: 'credentials',
      words: 'it takes no user and password (SASL PLAIN). Allow that at the broker.',
      lasts: true,
    },
  ],
  [
    /exceeds maxFrameSize|Expected [Cc]onnection|Frame on channel|[Ii]nvalid frame/,
    { reason: 'protocol', words: 'what answers there does not speak AMQP 0-9-1. Correct host and port.', lasts: true },
  ],
  [/closed abruptly/, { reason: 'protocol', words: `it hung up before the connection was open. ${early}` }],
  [/CONNECTION.FORCED/, { reason: 'forced', words: 'it ended the connection: it stops, or a person closed it.' }],
  [/[Hh]eartbeat/, { reason: 'silent', words: 'it has not been heard from for too long.' }],
  [
    /^Unexpected close|closed the connection/,
    { reason: 'closed', words: 'it, or something on the way, closed the connection.' },
  ],
];

/**
 * Why there is no connection to the broker, in plain words. What nobody foresaw is told in its own words. `wasOpen`: it was there and
 * broke, so that port, user and password are the right ones.
 */
export function brokerFault(error: unknown, wasOpen = false): Fault {
  const known = networkFault(error);
  if (known?.reason === 'reset' && !wasOpen) return { ...known, words: `${known.words} ${early}` };
  if (known !== undefined) return known;
  const message = messageOf(error);
  const meaning = meanings.find(([pattern]) => pattern.test(message))?.[1];
  return meaning ?? unforeseen(error);
}
