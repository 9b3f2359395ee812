import packageJson from '../../package.json' with { type: 'json' };

export interface Answer {
  readonly code: number;
  readonly text: string;
}

const usageExitCode = 64;

/** A service is configured by its environment alone. Undefined without arguments: then it starts. */
export function answerTo([argument]: readonly string[], service: string): Answer | undefined {
  const help = `tallyman ${service} takes no arguments. Its settings come from the environment: see services/${service}/README.md.\n`;
  switch (argument) {
    case undefined:
      return undefined;
    case '--help':
    case '-h':
      return { code: 0, text: help };
    case '--version':
    case '-V':
      return { code: 0, text: `${packageJson.version}\n` };
    default:
      return { code: usageExitCode, text: `Unknown argument: ${argument}. ${help}` };
  }
}
