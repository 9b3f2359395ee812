/**
 * The meters that are taken, as a file of `tallyman provision` says: so that what is made at Stripe and what the sidecar takes stand
 * in one place. The file is read again when it changes. One that cannot be used any more leaves the meters of before in place, loudly:
 * half a change must not stop usage.
 */
import { ConfigError } from '../../../../shared/config/config.ts';
import type { Secret } from '../../../../shared/config/secret.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { FileError, parseFile } from '../../../../shared/provision/file.ts';

const setting = 'TALLYMAN_METERS_FILE';

export class MetersFile {
  readonly #file: Pick<Secret, 'reveal'>;
  readonly #log: Pick<Logger, 'info' | 'warn'>;
  #text: string;
  #names: ReadonlySet<string>;

  /** Throws a `ConfigError` if the file cannot be used. */
  constructor(file: Pick<Secret, 'reveal'>, log: Pick<Logger, 'info' | 'warn'>) {
    this.#file = file;
    this.#log = log;
    this.#text = file.reveal();
    const names = namesOf(this.#text);
    if (names instanceof FileError) throw new ConfigError(names.faults.map((fault) => `${setting}, ${fault}`));
    this.#names = names;
  }

  /** As the file says now. */
  names(): ReadonlySet<string> {
    const text = this.#file.reveal();
    if (text !== this.#text) {
      this.#text = text;
      this.#change(namesOf(text));
    }
    return this.#names;
  }

  #change(names: ReadonlySet<string> | FileError): void {
    if (names instanceof FileError) {
      this.#log.warn(
        { faults: names.faults },
        'TALLYMAN_METERS_FILE has changed and cannot be used. Usage of the meters that it had before is taken, usage of new ones is refused: correct the file.',
      );
      return;
    }
    this.#names = names;
    this.#log.info({ meters: names.size }, 'TALLYMAN_METERS_FILE has changed: usage of its meters is taken.');
  }
}

function namesOf(text: string): ReadonlySet<string> | FileError {
  try {
    return new Set(parseFile(text).meters.map(({ eventName }) => eventName));
  } catch (error) {
    if (error instanceof FileError) return error;
    throw error;
  }
}
