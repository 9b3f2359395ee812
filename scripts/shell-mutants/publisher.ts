import type { ShellMutant } from './shell-mutant.ts';

const files = 'services/publisher/src/spool/files.ts';
const outbox = 'services/publisher/src/outbox/outbox.ts';
const outboxSuite = 'services/publisher/src/outbox/outbox.test.ts';
const service = 'services/publisher/src/service.ts';
const serviceSuite = 'services/publisher/src/service.test.ts';
const filesSuite = 'services/publisher/src/spool/files.test.ts';

/** From the request to the broker, or to the disk. */
export const publisherMutants: readonly ShellMutant[] = [
  {
    name: 'nack taken for a confirm',
    rule: '3.1: 202 only once every accepted event is durable',
    patches: [{ file: outbox, find: 'told(error === null)', replace: 'told(true)' }],
    suite: outboxSuite,
  },
  {
    name: 'outbox stopped before the answers are out',
    rule: '5 (faults): SIGTERM: what was accepted is confirmed or spooled, and answered',
    patches: [
      {
        file: service,
        find: '    await this.#http?.stop(this.#config.drainMs);\n',
        replace: '    this.#outbox?.stop();\n    await this.#http?.stop(this.#config.drainMs);\n',
      },
    ],
    suite: serviceSuite,
  },
  {
    name: 'spool never fsynced',
    rule: '3.1: a spooled event is durable once it is fsynced',
    patches: [{ file: files, find: 'await (await this.#open(name)).datasync();', replace: '' }],
    suite: filesSuite,
  },
  {
    name: "spool's folder never synced",
    rule: '3.1: a segment without a durable name is gone after a power cut',
    patches: [{ file: files, find: 'return syncPath(this.#folder);', replace: 'return Promise.resolve();' }],
    suite: filesSuite,
  },
];
