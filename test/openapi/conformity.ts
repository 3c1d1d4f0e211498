import { isDeepStrictEqual } from 'node:util';
import type { OpenAPIObject } from '@nestjs/swagger';
import { Ajv } from 'ajv';
import type { Answer } from '../support/http.js';

/*
 * Whether what was really answered is what the document says: status, headers, media type, and every member of the body.
 */

interface Header {
  readonly required?: boolean;
  readonly schema: object;
}

interface Content {
  readonly schema?: object;
  readonly examples?: Record<string, { readonly value: unknown }>;
}

interface DescribedResponse {
  readonly description: string;
  readonly headers?: Record<string, Header>;
  readonly content?: Record<string, Content>;
}

export interface DescribedOperation {
  readonly operationId: string;
  readonly summary?: string;
  readonly security?: Record<string, string[]>[];
  readonly parameters?: { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Record<string, Content> };
  readonly responses: Record<string, DescribedResponse>;
}

/** Those that say something to a client; the others are of the connection. */
const TELLING =
  /^(?:cache-control|etag|retry-after|set-cookie|www-authenticate|revocations-[a-z-]+|location)$/;
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/;

const ajv = new Ajv({
  strict: false,
  allErrors: true,
  coerceTypes: false,
  formats: { uuid: UUID, 'date-time': TIME, uri: (text) => URL.canParse(text), password: true },
});
/** What a header says is text, and may be meant as a number. */
const ajvOfHeaders = new Ajv({ strict: false, coerceTypes: true });

/** `GET /path` and what is said of it. */
export function operationsOf(document: OpenAPIObject): Map<string, DescribedOperation> {
  return new Map(
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, operation]) =>
          [`${method.toUpperCase()} ${path}`, operation as DescribedOperation] as const,
      ),
    ),
  );
}

/** What an answer has that the document has not, or otherwise; none when it conforms. */
export function faultsOf(answer: Answer, operation: DescribedOperation, document: OpenAPIObject): string[] {
  const described = operation.responses[String(answer.status)];
  if (!described) return [`status ${answer.status} is not described`];
  return [...headerFaults(answer, described), ...bodyFaults(answer, described, document)];
}

function headerFaults({ headers }: Answer, { headers: described = {} }: DescribedResponse): string[] {
  const known = new Map(Object.entries(described).map(([name, header]) => [name.toLowerCase(), header]));
  // A weak entity tag is Express's own, on any answer.
  const isOurs = (name: string) => name !== 'etag' || !headers.get(name)!.startsWith('W/');
  const unknown = [...headers.keys()].filter(
    (name) => TELLING.test(name) && isOurs(name) && !known.has(name),
  );
  const wrong = [...known].filter(([name, { required = false, schema }]) => {
    const value = headers.get(name);
    return value === null ? required : !ajvOfHeaders.validate(ofOneMember(schema), { value });
  });
  return [
    ...unknown.map((name) => `header ${name} is not described`),
    ...wrong.map(([name]) => `header ${name} is not as described`),
  ];
}

function ofOneMember(schema: object): object {
  return { type: 'object', properties: { value: schema } };
}

function bodyFaults(answer: Answer, { content }: DescribedResponse, document: OpenAPIObject): string[] {
  if (answer.body === undefined) return content ? ['there is no body'] : [];
  const [type = ''] = (answer.headers.get('content-type') ?? '').split(';', 1);
  const schema = content?.[type]?.schema;
  if (!schema) return [`a body of type ${type} is not described`];
  const { schemas = {} } = document.components ?? {};
  const validate = ajv.compile(closed({ ...schema, components: { schemas } }) as object);
  if (validate(answer.body)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    [`body${instancePath}`, message, JSON.stringify(params)].join(' '),
  );
}

/** A schema that lists properties, and says nothing of others, has to list all. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const all = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  return 'properties' in all && !('additionalProperties' in all)
    ? { ...all, additionalProperties: false }
    : all;
}

/** Every answer of the document: operation, status, and where it has examples, the name of each. */
export function answersOf(document: OpenAPIObject): string[] {
  return [...operationsOf(document)].flatMap(([name, { responses }]) =>
    Object.entries(responses).flatMap(([status, { content }]) => {
      const examples = Object.keys(content?.['application/json']?.examples ?? {});
      return examples.length === 0
        ? [`${name} ${status}`]
        : examples.map((example) => `${name} ${status} ${example}`);
    }),
  );
}

/** Whether this very body is in the document, under that name; an answer without a name has no examples. */
export function isExample(answer: Answer, operation: DescribedOperation, name: string | undefined): boolean {
  const content = operation.responses[String(answer.status)]?.content?.['application/json'];
  if (name === undefined) return content?.examples === undefined;
  return isDeepStrictEqual(content?.examples?.[name]?.value, answer.body);
}
