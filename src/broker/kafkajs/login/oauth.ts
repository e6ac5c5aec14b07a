import type { KafkaConfig } from 'kafkajs';
import { messageOf, StreamsError } from '../../../model/errors.js';
import type { Clock } from '../../../model/ports.js';
import { asSecret, type Secret } from '../../../model/text/secret.js';
import { TokenEndpointError } from '../wire/errors.js';
import type { KafkaToken } from './options.js';

/**
 * A token is used for this share of its lifetime, as in Kafka's own clients. The rest allows for clock
 * differences and slow requests.
 */
const USED_SHARE = 0.8;
/** After an endpoint issued no token, it is not asked again for this long, while the old token is valid. */
const PAUSE_MS = 5_000;
const ENDPOINT_TIMEOUT_MS = 10_000;
/** Larger than any token that fits into a request. */
const MAX_ANSWER_BYTES = 1024 * 1024;
const SEPARATOR = '\u0001';

/**
 * Caches a token until a fifth of its lifetime is left; connections that need one at the same time share one
 * request. If no new token can be obtained, the old one is used until it expires. Whatever the reason:
 * endpoints can be down, and secrets are rotated.
 */
export function cachedToken(clock: Clock, fetchToken: () => Promise<KafkaToken>): () => Promise<KafkaToken> {
  let goodUntil = Number.NEGATIVE_INFINITY;
  let current: Promise<KafkaToken> | undefined;
  let last: KafkaToken | undefined;
  return () => {
    if (current && clock.now() < goodUntil) return current;
    const fetched = fetchToken().then(
      (token) => {
        const now = clock.now();
        goodUntil = now + ((token.expiresAt ?? now) - now) * USED_SHARE;
        last = token;
        return token;
      },
      (error: unknown) => {
        const now = clock.now();
        const left = (last?.expiresAt ?? now) - now;
        goodUntil = left > 0 ? now + Math.min(PAUSE_MS, left) : Number.NEGATIVE_INFINITY;
        if (last && left > 0) return last;
        throw error;
      },
    );
    goodUntil = Number.POSITIVE_INFINITY;
    current = fetched;
    return fetched;
  };
}

export interface Credentials {
  readonly endpoint: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly scope: string | undefined;
}

/**
 * Requests a token from the token endpoint (RFC 6749, 4.4). BROKER_UNAUTHENTICATED if the endpoint refuses. A
 * {@link TokenEndpointError} for transient failures: no response in 10 s, status 408, 429 or 5xx, and a
 * response that such an endpoint would not send. Redirects are not followed: the credentials were not meant
 * for their target.
 */
export async function clientCredentials(clock: Clock, credentials: Credentials): Promise<KafkaToken> {
  const { endpoint, clientId, clientSecret, scope } = credentials;
  const timeout = new AbortController();
  const cancel = clock.after(ENDPOINT_TIMEOUT_MS, () => timeout.abort());
  // RFC 6749, 2.3.1: both parts are encoded before they are joined.
  const login = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret.reveal())}`);
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        authorization: `Basic ${login.toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope !== undefined && { scope }) }),
      signal: timeout.signal,
    });
    const { status } = response;
    const answer = await bodyOf(response);
    if (status === 408 || status === 429 || status >= 500) throw new Error(`status ${status}`);
    if (!response.ok) throw refusedToken(credentials, `status ${status}${errorOf(answer)}`);
    if (answer === undefined) throw new Error('an answer that is no JSON object');
    const { access_token: value, expires_in: lifetime } = answer;
    if (typeof value !== 'string' || value === '') throw refusedToken(credentials, 'an answer without access_token');
    const seconds = secondsOf(lifetime);
    const expiresAt = clock.now() + (seconds ?? Number.NaN) * 1_000;
    // A lifetime that is not a valid number of milliseconds counts as none.
    return { value: asSecret(value), ...(Number.isFinite(expiresAt) && { expiresAt }) };
  } catch (error) {
    if (error instanceof StreamsError) throw error;
    const reason = timeout.signal.aborted ? 'no answer in 10 s' : reasonOf(error);
    throw new TokenEndpointError(`the token endpoint ${withoutQuery(endpoint)} gives no token (${reason})`);
  } finally {
    cancel();
  }
}

/** The fields of a response, up to the size limit; undefined if it is not a JSON object. */
async function bodyOf(response: Response): Promise<Readonly<Record<string, unknown>> | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    const json: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Some endpoints send the lifetime as text. */
function secondsOf(lifetime: unknown): number | undefined {
  const seconds = typeof lifetime === 'string' && /^\d{1,10}$/.test(lifetime) ? Number(lifetime) : lifetime;
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}

/** Only the error codes of RFC 6749: the rest of the response might repeat what was sent. */
const errorOf = ({ error }: Readonly<Record<string, unknown>> = {}): string =>
  typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? ` (${error})` : '';

/** Node reports "fetch failed" and gives the reason in the cause. */
const reasonOf = (error: unknown): string =>
  messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);

const withoutQuery = (url: string): string => {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
};

const refusedToken = ({ endpoint, clientId, scope }: Credentials, saw: string): StreamsError =>
  new StreamsError('BROKER_UNAUTHENTICATED', {
    what: 'the token endpoint gave no token',
    at: withoutQuery(endpoint),
    saw,
    expected: `a token for client ${clientId}${scope === undefined ? '' : ` and scope ${scope}`}`,
    action: 'Check the client id, its secret and the scope.',
  });

/** The token that a user's function returns. */
export async function tokenOf(token: () => Promise<KafkaToken>): Promise<KafkaToken> {
  const failed = (saw: string, cause?: unknown): StreamsError =>
    new StreamsError('BROKER_UNAUTHENTICATED', {
      what: 'the token function gave no token',
      saw,
      expected: 'an object with the token as its value',
      action: 'Correct the function.',
      cause,
    });
  let got: KafkaToken;
  try {
    got = await token();
  } catch (error) {
    throw failed(messageOf(error), error);
  }
  if (got?.value === undefined || asSecret(got.value).reveal() === '') throw failed('no value');
  return got;
}

/**
 * The login mechanism for kafkajs. Its own OAUTHBEARER treats the broker's refusal as success, because the
 * refusal is an ordinary response.
 */
export function oauthBearer(token: () => Promise<KafkaToken>): KafkaConfig['sasl'] {
  return {
    mechanism: 'oauthbearer',
    authenticationProvider: ({ saslAuthenticate }) => ({
      authenticate: async () => {
        const { value, extensions = {} } = await token();
        const pairs = Object.entries(extensions).map(([name, text]) => `${name}=${text}${SEPARATOR}`);
        const first = `n,,${SEPARATOR}auth=Bearer ${asSecret(value).reveal()}${SEPARATOR}${pairs.join('')}${SEPARATOR}`;
        const refusal = await saslAuthenticate({ request: message(first), response: TEXT });
        if (refusal === undefined || refusal === '') return;
        // RFC 7628, 3.2.3: the broker ends the exchange with an error after this message.
        await saslAuthenticate({ request: message(SEPARATOR), response: TEXT });
        throw Object.assign(new Error(refusal), { type: 'SASL_AUTHENTICATION_FAILED' });
      },
    }),
  };
}

/** Bytes with a length prefix. */
const message = (text: string): { encode(): Buffer } => ({
  encode: () => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  },
});

const TEXT = {
  decode: (raw: Buffer): Buffer => raw.subarray(4),
  parse: (bytes: Buffer): string => bytes.toString('utf8'),
};
