/** An HTTP answer of a sidecar, as far as the bench reads it. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

const headEnd = '\r\n\r\n';
const lengthPattern = /\r\ncontent-length: *(\d+)/i;

/**
 * Reads one answer from what a connection received so far; undefined while it is not complete. Throws when it is not
 * HTTP/1.1 with a Content-Length, or when more follows: nothing else was asked for.
 */
export function readAnswer(received: string): Answer | undefined {
  const end = received.indexOf(headEnd);
  if (end < 0) return undefined;
  const length = Number(lengthPattern.exec(received)?.[1]);
  if (!received.startsWith('HTTP/1.1 ') || Number.isNaN(length)) {
    throw new Error(`this is no answer of a sidecar: ${received.slice(0, 200)}`);
  }
  const total = end + headEnd.length + length;
  if (received.length < total) return undefined;
  if (received.length > total) throw new Error(`more than one answer came: ${received.slice(total, total + 200)}`);
  return { status: Number(received.slice(9, 12)), body: received.slice(end + headEnd.length) };
}
