/**
 * Asks the container engine for the images that stand in for programs this machine lacks, and pulls them if needed:
 * `container-images.ts [rabbitmq-server] [redis-server]`. Status 1 and the reason on stdout when they cannot be had.
 */
import { brokerImage, redisImage, requireImages } from '../../../shared/testing/containers.ts';

const imageOf: Readonly<Record<string, string>> = { 'rabbitmq-server': brokerImage, 'redis-server': redisImage };
const images = process.argv.slice(2).map((program) => {
  const image = imageOf[program];
  if (image === undefined) throw new Error(`no image stands in for ${program}`);
  return image;
});

try {
  await requireImages(images, (image) => process.stderr.write(`setup: pulling the container image ${image} ...\n`));
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
