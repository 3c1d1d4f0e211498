import {
  Inject,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { catchError, map, type Observable } from 'rxjs';
import { ResolvedOptions } from '../core/options.js';
import type { TokenPair } from '../issuer/token-pair.js';
import { asHttpException } from '../access/auth-http.exception.js';
import { carrierOf, type Carrier } from './carriers.js';
import { writeCookie, type CookieToken } from './cookie.js';
import { presentedBy } from './exchange.js';
import { httpRequest, type HttpRequest } from '../access/http-request.js';
import { toBody, type TokenResponseBody } from './token-response.js';

@Injectable()
export class TokenResponseInterceptor implements NestInterceptor<TokenPair, TokenResponseBody> {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(ResolvedOptions) private readonly options: ResolvedOptions,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler<TokenPair>): Observable<TokenResponseBody> {
    // Asked before the handler runs: a carrier that is not allowed, or not to this page, is refused before anything is issued.
    const carrier = this.#carrierOf(context);
    const request = httpRequest(context);
    const response = context.switchToHttp().getResponse<object>();
    return next.handle().pipe(
      map((pair) => {
        const { httpAdapter } = this.adapterHost;
        httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
        if (carrier === 'body') return toBody(pair, { refresh_token: pair.refreshToken });
        httpAdapter.appendHeader(
          response,
          'Set-Cookie',
          writeCookie(pair.refreshToken, pair.refreshExpiresIn, cookieOf(request)),
        );
        return toBody(pair, {});
      }),
      catchError((error: unknown) => {
        throw asHttpException(error);
      }),
    );
  }

  #carrierOf(context: ExecutionContext): Carrier {
    try {
      return carrierOf(httpRequest(context), this.options);
    } catch (error) {
      throw asHttpException(error);
    }
  }
}

/** What came in a cookie; the key of a token that came in a body is whatever its client wrote, and no part of ours. */
function cookieOf(request: HttpRequest): CookieToken | undefined {
  const presented = presentedBy(request);
  return presented?.carrier === 'cookie' ? presented : undefined;
}
