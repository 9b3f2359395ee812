/**
 * `npm run -s access`: three users of the broker and one of Redis with new passwords, each with the rights it needs and no other.
 * Prints JSON and keeps nothing: `definitions` for the broker, `redisAcl` for Redis, `passwords` for whoever connects.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { brokerDefinitions, redisRights } from '../../shared/access/rights.ts';
import { namespace as namespaceKind } from '../../shared/config/kinds.ts';
import { exitCodes } from './backing.ts';

const usage = `npm run -s access -- [--namespace tallyman] [--vhost /]
prints {definitions, redisAcl, passwords}: import definitions into the broker (load_definitions, or POST /api/definitions), run
redisAcl with redis-cli, and give each service the password of its own role. Nothing is kept here.`;

function access(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: {
      namespace: { type: 'string', default: 'tallyman' },
      vhost: { type: 'string', default: '/' },
      help: { type: 'boolean' },
    },
  });
  const { namespace, vhost, help = false } = values;
  if (help || namespaceKind.parse(namespace) === undefined) {
    console.error(help ? usage : `--namespace ${JSON.stringify(namespace)} may be ${namespaceKind.allowed}.`);
    return help ? exitCodes.done : exitCodes.usage;
  }
  const password = (): string => randomBytes(24).toString('base64url');
  const passwords = { topology: password(), publisher: password(), consumer: password() };
  const redis = password();
  const answer = {
    definitions: brokerDefinitions({ namespace, vhost, passwords }),
    redisAcl: ['ACL', 'SETUSER', 'tallyman', 'reset', `>${redis}`, ...redisRights(namespace)].join(' '),
    passwords: { ...passwords, redis },
  };
  console.log(JSON.stringify(answer, null, 2));
  return exitCodes.done;
}

process.exitCode = access(process.argv.slice(2));
