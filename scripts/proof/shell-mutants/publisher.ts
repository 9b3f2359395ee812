import type { ShellMutant } from './shell-mutant.ts';

const files = 'services/publisher/src/spool/files.ts';
const outbox = 'services/publisher/src/outbox/outbox.ts';
const publishing = 'services/publisher/src/outbox/publishing-channel.ts';
const outboxSuite = 'services/publisher/src/outbox/outbox.test.ts';
const service = 'services/publisher/src/service.ts';
const serviceSuite = 'services/publisher/src/service.test.ts';
const disk = 'services/publisher/src/spool/disk.ts';
const spool = 'services/publisher/src/spool/spool.ts';
const spoolSuite = 'services/publisher/src/spool/spool.test.ts';
const filesSuite = 'services/publisher/src/spool/files.test.ts';

/** From the request to the broker, or to the disk. */
export const publisherMutants: readonly ShellMutant[] = [
  {
    name: 'nack taken for a confirm',
    rule: '3.1: 202 only once every accepted event is durable',
    patches: [{ file: publishing, find: 'told(error === null)', replace: 'told(true)' }],
    suite: outboxSuite,
  },
  {
    name: 'outbox stopped before the answers are out',
    rule: '5 (faults): SIGTERM: what was accepted is confirmed or spooled, and answered',
    patches: [
      {
        file: service,
        find: '    await stopInTurn(this.#log, [\n',
        replace: '    this.#outbox?.stop();\n    await stopInTurn(this.#log, [\n',
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
  {
    name: 'unconfirmed message of a broken connection taken for refused',
    rule: '3.1: 202 only once every accepted event is durable',
    patches: [{ file: publishing, find: 'if (!this.#isClosed) told(', replace: 'told(' }],
    suite: 'services/publisher/src/outbox/outage.test.ts',
  },
  {
    name: 'refused message of the spool told as confirmed',
    rule: '4: publish, republish and spool repeat the same bytes, until they are confirmed',
    patches: [{ file: outbox, find: "tell(confirmed ? 'confirmed' : 'refused',", replace: "tell('confirmed'," }],
    suite: outboxSuite,
  },
  {
    name: 'messages not mandatory',
    rule: '3.2: published mandatory; a returned message is a failure',
    patches: [{ file: publishing, find: 'mandatory: true', replace: 'mandatory: false' }],
    suite: outboxSuite,
  },
  {
    name: 'expired request answered with 202',
    rule: '3.1: 202 only once every accepted event is durable',
    patches: [
      {
        file: 'services/publisher/src/intake/admission.ts',
        find: 'this.#recent.settle(holder, outcome);\n      join(sifted, outcome,',
        replace:
          "this.#recent.settle(holder, outcome);\n      join(sifted, outcome === 'expired' ? 'durable' : outcome,",
      },
    ],
    suite: 'services/publisher/src/intake/admission.test.ts',
  },
  {
    name: 'spool that is left unsaid in the exit code',
    rule: '3.3: SIGTERM drains; the publisher exits with 75 if spooled events remain',
    patches: [{ file: service, find: 'return left ? spoolLeftExitCode : 0;', replace: 'return 0;' }],
    suite: serviceSuite,
  },
  {
    name: 'segment that was deleted taken for durable',
    rule: '3.1: a spooled event is durable once it is fsynced',
    patches: [
      {
        file: disk,
        find: 'if (!(await files.isInPlace(name)))\n    throw',
        replace: 'if (false)\n    throw',
      },
    ],
    suite: spoolSuite,
  },
  {
    name: 'failed commit of the spool told as done',
    rule: '3.1: a spooled event is durable once it is fsynced',
    patches: [
      {
        file: 'services/publisher/src/spool/open-spool.ts',
        find: "this.#ended({ kind: 'commit_failed', segment });",
        replace: "void segment;\n      this.#ended({ kind: 'committed' });",
      },
    ],
    suite: spoolSuite,
  },
  {
    name: 'damaged last record of the spool cut off',
    rule: 'spool: only what provably was never answered is cut off',
    patches: [
      {
        file: disk,
        find: 'left > 0 && left < recordBytesMax && isUnfinished(await files.read(segmentName(number), soundBytes, left))',
        replace:
          'left > 0 && left < recordBytesMax && (await files.read(segmentName(number), soundBytes, left)).byteLength > 0',
      },
    ],
    suite: 'services/publisher/src/spool/recovery.test.ts',
  },
  {
    name: "spool's cursor never synced",
    rule: 'spool: a segment is removed only after a cursor behind it is durable',
    patches: [
      {
        file: disk,
        find: 'encodeCursor(cursor));\n  await files.sync(cursorName);',
        replace: 'encodeCursor(cursor));',
      },
    ],
    suite: 'services/publisher/src/spool/recovery.test.ts',
  },
  {
    name: 'append to a closed spool told as stored',
    rule: '3.1: 202 only once every accepted event is durable',
    patches: [{ file: spool, find: '      told(false);\n      return;', replace: '      told(true);\n      return;' }],
    suite: spoolSuite,
  },
  {
    name: 'what waits when the spool ends told as stored',
    rule: '3.1: 202 only once every accepted event is durable',
    patches: [
      {
        file: spool,
        find: 'for (const told of waiting) told(false);',
        replace: 'for (const told of waiting) told(true);',
      },
    ],
    suite: spoolSuite,
  },
  {
    name: 'short write taken for a whole one',
    rule: '3.1: a spooled event is durable once it is fsynced, all of it',
    patches: [
      { file: files, find: 'while (written < bytes.byteLength) {', replace: 'if (written < bytes.byteLength) {' },
    ],
    suite: filesSuite,
  },
];
