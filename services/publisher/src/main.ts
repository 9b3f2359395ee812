import { runService } from '../../../shared/lifecycle/lifecycle.ts';
import { parseConfig } from './config.ts';
import { PublisherService } from './service.ts';

await runService({
  service: 'publisher',
  env: process.env,
  parseConfig,
  create: (config, context) => new PublisherService(config, context),
});
