import type { HttpRequest } from '../access/http-request.js';
import type { ClientAuthentication } from '../http/client-authentication.js';
import { FORM, readFields } from '../http/request-body.js';

/**
 * Whether a request proves, by a secret, that it comes from a resource server or a confidential client; false for every
 * other one, whatever is wrong.
 *
 * Costs a few hashes and no query. Not yet true at this point: that the route is for that service.
 */
export function isFromProvedService(request: HttpRequest, clients: ClientAuthentication): boolean {
  try {
    clients.authenticateIntrospector(request, readFields(request, [FORM]));
    return true;
  } catch {
    // Refused, with its reason, by whoever reads it next: here it is a guess like any other.
    return false;
  }
}
