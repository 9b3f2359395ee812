import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

interface Header {
  readonly required?: boolean;
  readonly schema: { readonly type?: string };
}

interface Response {
  readonly headers?: Readonly<Record<string, Header>>;
  readonly content: Readonly<Record<string, object>>;
}

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> };
  readonly responses: Readonly<Record<string, Response>>;
}

export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** What an OpenAPI document says of requests and answers, to be held against real ones. */
export class DescribedApi {
  readonly #document: Document;
  // Not strict about what is no schema: the document as a whole is known to it, so that references resolve.
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #schemas = new Map<string, ValidateFunction>();
  readonly #seen = new Set<string>();

  constructor(document: Document) {
    this.#document = document;
    formats.default(this.#ajv);
    this.#ajv.addSchema(document, 'openapi');
  }

  /** `POST /v1/events 202` … */
  get answers(): readonly string[] {
    return Object.entries(this.#document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, { responses }]) =>
        Object.keys(responses).map((status) => `${method.toUpperCase()} ${path} ${status}`),
      ),
    );
  }

  /** Those that `faultOfAnswer` has seen. */
  get seen(): ReadonlySet<string> {
    return this.#seen;
  }

  /** What is wrong with the body of a request; undefined if the document allows it. */
  faultOfRequest(method: string, path: string, mediaType: string, body: unknown): string | undefined {
    const content = this.#operation(method, path)?.requestBody?.content ?? {};
    if (!Object.hasOwn(content, mediaType)) return `${mediaType} is not documented.`;
    return this.#fault(body, 'paths', path, method, 'requestBody', 'content', mediaType, 'schema');
  }

  /** What is wrong with an answer; undefined if it is as the document says. */
  faultOfAnswer(method: string, path: string, status: number, headers: Headers, body: unknown): string | undefined {
    const response = this.#operation(method, path)?.responses[status];
    if (response === undefined) return `${status} is not documented: ${JSON.stringify(body)}`;
    this.#seen.add(`${method.toUpperCase()} ${path} ${status}`);
    const at = ['paths', path, method, 'responses', String(status)];
    for (const [header, { required = false, schema }] of Object.entries(response.headers ?? {})) {
      const text = headers.get(header);
      if (text === null && required) return `The header ${header} is missing.`;
      if (text === null) continue;
      const fault = this.#fault(schema.type === 'integer' ? Number(text) : text, ...at, 'headers', header, 'schema');
      if (fault !== undefined) return `${header}: ${fault}`;
    }
    const mediaType = headers.get('content-type')?.split(';', 1)[0] ?? 'no media type';
    if (!Object.hasOwn(response.content, mediaType)) return `${mediaType} is not documented for ${status}.`;
    const fault = this.#fault(body, ...at, 'content', mediaType, 'schema');
    return fault === undefined ? undefined : `${fault}: ${JSON.stringify(body)}`;
  }

  #operation(method: string, path: string): Operation | undefined {
    return this.#document.paths[path]?.[method];
  }

  #fault(value: unknown, ...at: readonly string[]): string | undefined {
    const pointer = at.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/');
    const $ref = `openapi#/${encodeURI(pointer)}`;
    const satisfies = this.#schemas.get($ref) ?? this.#ajv.compile({ $ref });
    this.#schemas.set($ref, satisfies);
    return satisfies(value) ? undefined : this.#ajv.errorsText(satisfies.errors);
  }
}
