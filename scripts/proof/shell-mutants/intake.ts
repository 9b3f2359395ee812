import type { ShellMutant } from './shell-mutant.ts';

const folder = 'services/publisher/src/intake';
const timestamp = 'shared/event/timestamp.ts';
const validateSuite = 'shared/event/validate.test.ts';

/** What an application sends, and what is billed for it. */
export const intakeMutants: readonly ShellMutant[] = [
  {
    name: 'CloudEvent without its value counted as 1',
    rule: '3.1: the default of a value is for events without data',
    patches: [
      {
        file: `${folder}/cloud-events.ts`,
        find: "if (value === undefined) return new MissingValue(['data', ...path.slice(0, depth)].join('.'), within);",
        replace: 'if (value === undefined) return undefined;',
      },
    ],
    suite: `${folder}/cloud-events.test.ts`,
  },
  {
    name: 'headers of a CloudEvent in binary mode not looked at',
    rule: '3.1: identity is lane and id, however an event is sent',
    patches: [{ file: `${folder}/format.ts`, find: 'if (isBinaryCloudEvent(headers))', replace: 'if (false)' }],
    suite: `${folder}/binary-cloud-event.test.ts`,
  },
  {
    name: 'headers of a CloudEvent taken as they are',
    rule: '3.1: identity is lane and id, however an event is sent',
    patches: [
      {
        file: `${folder}/binary-cloud-event.ts`,
        find: "decodeURIComponent(bytes.toString('utf8'))",
        replace: "bytes.toString('utf8')",
      },
    ],
    suite: `${folder}/binary-cloud-event.test.ts`,
  },
  {
    name: 'what stands behind the end of a compressed body dropped',
    rule: '3.1: 202 is for every event of the body',
    patches: [{ file: `${folder}/decompress.ts`, find: 'if (left === 0) resolve', replace: 'if (left >= 0) resolve' }],
    suite: `${folder}/decompress.test.ts`,
  },
  {
    name: 'value of 17 digits rounded in a field of its own',
    rule: '3.1: at most 15 significant digits, exact',
    patches: [
      {
        file: `${folder}/cloud-events.ts`,
        find: "exactParser(path?.at(-1) ?? 'value')",
        replace: "exactParser('value')",
      },
    ],
    suite: `${folder}/cloud-events.test.ts`,
  },
  {
    name: 'event at the very bound of 35 days answered with 202',
    rule: '3.1: 202 is for what can still reach Stripe',
    patches: [{ file: timestamp, find: 'agoS > pastMaxS - pastMarginS', replace: 'agoS > pastMaxS' }],
    suite: validateSuite,
  },
  {
    name: 'leap second in the next period',
    rule: 'an event belongs to the period of its own time',
    patches: [{ file: timestamp, find: '? ms - 1 : undefined', replace: '? ms : undefined' }],
    suite: validateSuite,
  },
  {
    name: 'fraction of a second rounded to the millisecond',
    rule: 'an event belongs to the period of its own time',
    patches: [
      {
        file: timestamp,
        find: "Number((parts[7] ?? '').slice(0, 3).padEnd(3, '0'))",
        replace: "Math.round(Number(`0.${parts[7] ?? '0'}`) * 1000)",
      },
    ],
    suite: validateSuite,
  },
  {
    name: 'time of a message rounded by its parser',
    rule: 'an event belongs to the period of its own time',
    patches: [{ file: 'shared/event/message.ts', find: 'parsed = parseExactly(', replace: 'parsed = JSON.parse(' }],
    suite: 'shared/event/message.test.ts',
  },
  {
    name: 'judged request remembered',
    rule: '3.1: a duplicate is what is durable; /v1/validate takes nothing',
    patches: [
      {
        file: `${folder}/admission.ts`,
        find: 'const recent = this.#recent.glance(performance.now());',
        replace: 'const recent = this.#recent;',
      },
    ],
    suite: `${folder}/admission.test.ts`,
  },
  {
    name: 'undefined value of a client left out',
    rule: '3.1: the default of a value is for events that have none',
    patches: [
      {
        file: 'shared/client/encode-usage.ts',
        find: "if (value === undefined && 'value' in usage)",
        replace: 'if (false)',
      },
    ],
    suite: 'shared/client/client.test.ts',
  },
];
