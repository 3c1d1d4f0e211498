/** Why we answer otherwise than oidc-provider does: each is a section of docs/conformance.md, in this order. */
export const REASONS = {
  challenge: {
    title: 'Introspection challenges whomever it refuses',
    text: `RFC 9110 section 15.5.2: whoever answers 401 must send a \`WWW-Authenticate\`. At \`/oauth/token\` and \`/oauth/revoke\` we do, as
oidc-provider does, when the request had an \`Authorization\` header, which is what RFC 6749 section 5.2 asks for: a browser keeps a challenge for
Basic from its page, and asks the user for a password. Introspection is asked by services alone.`,
  },
  unnamed: {
    title: 'A request that names no client comes from the default one',
    text: `RFC 6749 section 6 asks no \`client_id\` of a public client, and the refresh token is bound to its client anyway. So it is the
module's \`clientId\`, if that is a public client, that refreshes and revokes its own tokens; others' are none of its. oidc-provider has no such
client, and takes the request for malformed.`,
  },
  nobody: {
    title: 'Who would have to authenticate, and did not, failed to',
    text: `RFC 6749 section 5.2 lists "no client authentication included" and "unsupported authentication method" under
\`invalid_client\`. oidc-provider takes them for malformed requests.`,
  },
  attempted: {
    title: 'Whoever tried the Authorization header is told that it failed',
    text: `RFC 6749 section 5.2: a client that "attempted to authenticate via the Authorization request header field" must be answered
401 with a challenge, and a header that cannot be read is such an attempt. oidc-provider answers 400 to it.`,
  },
  strict: {
    title: 'What may be read in two ways is not read at all',
    text: `A header that comes twice, or comes empty beside other credentials, may have been read by a proxy before us in another way than
by us (RFC 9110 section 5.3 forbids to send it); Base64 without its padding is none (RFC 4648 section 3.2, RFC 7617 section 2).`,
  },
  asSent: {
    title: 'A secret is also taken as it is',
    text: `RFC 6749 section 2.3.1 has it form-encoded within Basic, RFC 7617 does not, and many clients go by the latter. Both are taken,
because an encoded secret is never another one as it is.`,
  },
  hidden: {
    title: 'A public client may not introspect',
    text: `RFC 7662 section 2.1: the endpoint must require some form of authorization, and a name that everybody knows is none.
oidc-provider lets it ask, and tells it here what its policy was set to tell: nothing.`,
  },
  theft: {
    title: 'A theft is a theft, whatever scope it asks for',
    text: `RFC 9700 section 4.14.2: a refresh token that comes a second time ends the grant. Were the scope judged first, whoever holds a
stolen token could find out without any risk whether it was spent.`,
  },
  foreign: {
    title: 'A token of another client is an invalid grant',
    text: `RFC 7009 section 2.1: the request is refused and the client informed of the error; section 2.2.1 takes the codes of RFC 6749
section 5.2, where \`invalid_grant\` is a token that "was issued to another client". Nothing is revoked on either side.`,
  },
  structured: {
    title: 'A JWT may be revoked and introspected',
    text: `Our access tokens are JWTs (RFC 9068), so one of nobody is what any other unknown token is: nothing to revoke (RFC 7009
section 2.2), and not active (RFC 7662 section 2.2). The tokens of oidc-provider are opaque here, and it refuses all JWTs.`,
  },
  family: {
    title: 'A spent refresh token is introspected as its session',
    text: `Whether a refresh token is the current one is not told, only whether its session lives: who could ask that would know when its
owner refreshes, and could ride along beside it (docs/protocol.md). Nor is the spent one of no use: with its Idempotency-Key it may be repeated.`,
  },
  size: {
    title: 'Bodies end at 8 KiB',
    text: `The longest honest one names a token, a client and its secret. RFC 9110 section 15.5.14 has 413 for what is longer;
oidc-provider reads 56 KiB, and answers 400 to more.`,
  },
  mediaType: {
    title: 'What is no form is 415',
    text: `RFC 6749 section 5.2 answers 400 "unless specified otherwise", and RFC 9110 section 15.5.16 specifies 415 for a type or a coding
that is not taken. The body says \`invalid_request\` all the same. A body without a type is not taken for a form.`,
  },
  carrier: {
    title: 'Headers of our own',
    text: `A request for the cookie carrier, which these endpoints do not have, and an Idempotency-Key that cannot be one, are refused
with nothing spent. Nobody else knows either of them here.`,
  },
  format: {
    title: 'Errors are JSON',
    text: `RFC 6749 section 5.2 has them in \`application/json\`. oidc-provider writes a page for whoever prefers HTML.`,
  },
  grants: {
    title: 'We have one grant',
    text: `oidc-provider has the authorization code grant, which its client may not use here; we have none of it to use.`,
  },
  resourceServer: {
    title: 'Resource servers are no clients',
    text: `Services that only verify have credentials of their own (\`resourceServers\`), which are good for introspection and the feed of
revocations, and for nothing else. At oidc-provider each of them is a client.`,
  },
  parser: {
    title: 'The application reads the body',
    text: `What the body parser of Nest's adapter makes of a body is what reaches us, and what it refuses does not: Nest answers, in its own
form and with nothing spent. The two adapters differ in this. No client that goes by the RFCs meets it.`,
  },
  routing: {
    title: 'Other methods are not routed',
    text: `What is not POST is answered by Nest, as any route that is not there.`,
  },
  caching: {
    title: 'No answer of these endpoints is stored',
    text: `RFC 6749 section 5.1 demands it of tokens. We say so on every answer, those to revocations included, which oidc-provider leaves out.`,
  },
  emptyBody: {
    title: 'An empty body has no type',
    text: `RFC 7009 section 2.2: the content of the answer is ignored, all is in the status. oidc-provider gives it a type.`,
  },
  members: {
    title: 'Members beyond the RFCs',
    text: `RFC 6749 section 5.1 and RFC 7662 section 2.2 allow more, and have clients ignore what they do not know. Ours are the session and
how long the refresh token lasts; an introspected token says which kind it is; a JWT has an audience and an id, opaque tokens have not.`,
  },
} as const satisfies Record<string, { readonly title: string; readonly text: string }>;

export type Reason = keyof typeof REASONS;
