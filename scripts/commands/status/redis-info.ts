import type { Redis } from 'ioredis';

/** What Redis says about itself, as far as status needs it. */
export interface RedisInfo {
  readonly role: string | undefined;
  readonly usedBytes: number;
  /** 0: no limit. */
  readonly maxBytes: number;
  readonly eviction: string | undefined;
  /** Undefined where it is not told, or where Redis is durable by other means (MemoryDB). */
  readonly appendOnly: boolean | undefined;
  readonly writesToDisk: boolean;
}

/** Undefined: this user may not ask. */
export async function redisInfo(redis: Pick<Redis, 'info'>): Promise<RedisInfo | undefined> {
  try {
    return parseInfo(await redis.info());
  } catch (error) {
    // The class that ioredis gives for it has no type.
    if (error instanceof Error && error.name === 'ReplyError') return undefined;
    throw error;
  }
}

export function parseInfo(text: string): RedisInfo {
  const fields = new Map(
    text.split(/\r?\n/).flatMap((line): [string, string][] => {
      const [name, ...value] = line.split(':');
      return name === undefined || value.length === 0 ? [] : [[name, value.join(':')]];
    }),
  );
  const number = (name: string): number => Number(fields.get(name) ?? 0) || 0;
  const isManaged = fields.get('os')?.startsWith('Amazon') === true;
  const appendOnly = fields.get('aof_enabled');
  return {
    role: fields.get('role'),
    usedBytes: number('used_memory') - number('mem_not_counted_for_evict'),
    maxBytes: number('maxmemory'),
    eviction: fields.get('maxmemory_policy'),
    appendOnly: isManaged || appendOnly === undefined ? undefined : appendOnly === '1',
    writesToDisk: ['aof_last_write_status', 'aof_last_bgrewrite_status', 'rdb_last_bgsave_status'].every(
      (name) => (fields.get(name) ?? 'ok') === 'ok',
    ),
  };
}
