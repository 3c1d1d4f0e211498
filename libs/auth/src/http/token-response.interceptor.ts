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
import { writeCookie } from './cookie.js';
import { presentedBy } from './exchange.js';
import { httpRequest } from '../access/http-request.js';

/** The wire form of a `TokenPair`, RFC 6749 section 5.1. With the cookie carrier `refresh_token` is absent. */
export interface TokenResponseBody {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** seconds */
  readonly expires_in: number;
  readonly refresh_token?: string;
  /** seconds */
  readonly refresh_expires_in: number;
  readonly scope?: string;
  readonly sid: string;
}

@Injectable()
export class TokenResponseInterceptor implements NestInterceptor<TokenPair, TokenResponseBody> {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(ResolvedOptions) private readonly options: ResolvedOptions,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler<TokenPair>): Observable<TokenResponseBody> {
    // Asked before the handler runs: a carrier that is not allowed must be refused before anything is issued.
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
          writeCookie(pair.refreshToken, pair.refreshExpiresIn, presentedBy(request)),
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
      return carrierOf(httpRequest(context), this.options.refreshToken.carrier);
    } catch (error) {
      throw asHttpException(error);
    }
  }
}

function toBody(pair: TokenPair, refreshToken: { refresh_token?: string }): TokenResponseBody {
  return {
    access_token: pair.accessToken,
    token_type: 'Bearer',
    expires_in: pair.expiresIn,
    ...refreshToken,
    refresh_expires_in: pair.refreshExpiresIn,
    ...(pair.scope !== null && { scope: pair.scope }),
    sid: pair.sid,
  };
}
