import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { describeTokens } from 'nestjs-token-family/openapi';

/** Swagger UI at `/docs`, with all that it loads, and the document itself at `/docs-json`. */
export function serveDocs(app: INestApplication): void {
  const config = describeTokens(new DocumentBuilder())
    .setTitle('nestjs-token-family')
    .setDescription('The demo: sessions, and a few routes that use them.')
    .setVersion('0.1.0')
    .build();
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, config), {
    raw: ['json'],
    customSiteTitle: 'nestjs-token-family',
    swaggerOptions: {
      // A token that was pasted in is gone with the page.
      persistAuthorization: false,
      // Its default sends the document to a server of others.
      validatorUrl: null,
    },
  });
}
