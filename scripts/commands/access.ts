import { randomBytes } from 'node:crypto';
import { brokerDefinitions, redisRights } from '../../shared/access/rights.ts';
import { namespace as namespaceKind } from '../../shared/config/kinds.ts';
import { exitCodes, Program, valueOf } from './program.ts';

interface AccessOptions {
  readonly namespace: string;
  readonly vhost: string;
}

/** Keeps nothing: `definitions` is for the broker, `redisAcl` for Redis, `passwords` for whoever connects. */
export function accessCommand(): Program {
  return new Program('access')
    .description(
      'Makes three users of the broker and one of Redis, with new passwords and the rights that each needs. ' +
        'Prints {definitions, redisAcl, passwords} as JSON and keeps nothing. Import definitions into the broker (load_definitions, or ' +
        'POST /api/definitions), run redisAcl with redis-cli, and give each service the password of its own role.',
    )
    .option(
      '--namespace <NAME>',
      'TALLYMAN_NAMESPACE of the cluster',
      valueOf(namespaceKind.allowed, (text) => namespaceKind.parse(text)),
      'tallyman',
    )
    .option('--vhost <VHOST>', 'virtual host of the broker', '/')
    .examples('tallyman access > access.json', 'tallyman access --namespace metering --vhost metering')
    .runs<AccessOptions>(access);
}

function access({ namespace, vhost }: AccessOptions): number {
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
