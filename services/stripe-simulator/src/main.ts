import { runService } from '../../../shared/lifecycle/lifecycle.ts';
import { parseConfig } from './config.ts';
import { SimulatorService } from './service.ts';

await runService({
  service: 'stripe-simulator',
  env: process.env,
  parseConfig,
  create: (config, context) => new SimulatorService(config, context),
});
