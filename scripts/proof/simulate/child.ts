import { type ChildProcess, fork } from 'node:child_process';

/** A process of ours that answers every question with one message, for work that is to run on another core. */
export class Child<Question extends object, Answer> {
  readonly #process: ChildProcess;

  constructor(file: string) {
    this.#process = fork(file);
  }

  ask(question: Question): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const answered = (answer: unknown): void => resolve(answer as Answer);
    const ended = (code: number | null): void =>
      reject(new Error(`A process of the simulation ended with ${code ?? 'a signal'} before it had answered.`));
    this.#process.once('message', answered);
    this.#process.once('error', reject);
    this.#process.once('exit', ended);
    this.#process.send(question);
    return promise.finally(() => {
      this.#process.off('message', answered);
      this.#process.off('error', reject);
      this.#process.off('exit', ended);
    });
  }

  end(): void {
    this.#process.kill();
  }
}
