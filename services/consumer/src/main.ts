import { runService } from '../../../shared/lifecycle/lifecycle.ts';
import { parseConfig } from './config.ts';
import { ConsumerService } from './service.ts';

await runService({
  service: 'consumer',
  env: process.env,
  parseConfig,
  create: (config, { log, lifecycle }) => new ConsumerService(config, log, lifecycle),
});
