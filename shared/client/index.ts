/** What `tallyman-client` exports. */
export { createClient } from './client.ts';
export type { Usage } from './usage.ts';
export type { Announced, ClientCounts, ClientOptions, Receipt, UsageClient } from './usage-client.ts';
export { type UndeliveredCode, UsageError, UsageRejected, UsageUndelivered } from './usage-error.ts';
