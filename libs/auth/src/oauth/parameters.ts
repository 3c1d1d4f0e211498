import type { HttpRequest } from '../access/http-request.js';
import { FORM, malformed, readFields, textOf, type Fields } from '../http/request-body.js';

/**
 * The parameters of a request to an endpoint of RFC 6749: a form, of which a parameter without a value counts as left
 * out, and one that is not known is passed over.
 *
 * @throws {InvalidRequestError} no form, or too long a one
 * @see RFC 6749 section 3.2
 */
export function readForm(request: HttpRequest): Fields {
  return readFields(request, [FORM]);
}

/** @throws {InvalidRequestError} it was sent more than once */
export function parameter(form: Fields, name: string): string | undefined {
  return textOf(form, name) || undefined;
}

/** @throws {InvalidRequestError} it is missing, empty, or was sent more than once */
export function required(form: Fields, name: string): string {
  const value = parameter(form, name);
  if (value === undefined) throw malformed(`${name} is missing`);
  return value;
}
