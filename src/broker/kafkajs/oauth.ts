import type { KafkaConfig } from 'kafkajs';
import { messageOf, StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import { asSecret, type Secret } from '../../model/secret.js';
import { TokenEndpointError } from './errors.js';
import type { KafkaToken } from './options.js';

/** A token is used for this share of its life, as Kafka's own clients do: the rest is for clocks that differ and for what takes long. */
const USED_SHARE = 0.8;
const ENDPOINT_TIMEOUT_MS = 10_000;
const SEPARATOR = '\u0001';

/** Keeps a token until shortly before it expires; connections that need one at the same time wait for the same. */
export function cachedToken(clock: Clock, fetchToken: () => Promise<KafkaToken>): () => Promise<KafkaToken> {
  let goodUntil = Number.NEGATIVE_INFINITY;
  let current: Promise<KafkaToken> | undefined;
  return () => {
    if (current && clock.now() < goodUntil) return current;
    const fetched = fetchToken().then(
      (token) => {
        const now = clock.now();
        goodUntil = now + ((token.expiresAt ?? now) - now) * USED_SHARE;
        return token;
      },
      (error: unknown) => {
        goodUntil = Number.NEGATIVE_INFINITY;
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

/** Asks the token endpoint (RFC 6749, 4.4). BROKER_UNAUTHENTICATED if it refuses; a {@link TokenEndpointError} if it does not answer in 10 s. */
export async function clientCredentials(clock: Clock, credentials: Credentials): Promise<KafkaToken> {
  const { endpoint, clientId, clientSecret, scope } = credentials;
  const timeout = new AbortController();
  const cancel = clock.after(ENDPOINT_TIMEOUT_MS, () => timeout.abort());
  // RFC 6749, 2.3.1: both are encoded before they are joined.
  const login = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret.reveal())}`);
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: {
        authorization: `Basic ${login.toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope !== undefined && { scope }) }),
      signal: timeout.signal,
    });
    const answer = (await response.json().catch(() => ({}))) as Readonly<Record<string, unknown>>;
    const { access_token: value, expires_in: seconds } = answer;
    if (!response.ok) throw refusedToken(credentials, `status ${response.status}${errorOf(answer)}`);
    if (typeof value !== 'string') throw refusedToken(credentials, 'an answer without access_token');
    const expiresAt = typeof seconds === 'number' ? clock.now() + seconds * 1_000 : undefined;
    return { value: asSecret(value), ...(expiresAt !== undefined && { expiresAt }) };
  } catch (error) {
    if (error instanceof StreamsError) throw error;
    const reason = timeout.signal.aborted ? 'no answer in 10 s' : reasonOf(error);
    throw new TokenEndpointError(`the token endpoint ${withoutQuery(endpoint)} cannot be reached (${reason})`);
  } finally {
    cancel();
  }
}

/** The codes of RFC 6749 and nothing else of the answer, which might repeat what was sent. */
const errorOf = ({ error }: Readonly<Record<string, unknown>>): string =>
  typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? ` (${error})` : '';

/** Node says "fetch failed", and why in the cause. */
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

/** The token of a user's function. */
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

/** What kafkajs asks for a login. Its own OAUTHBEARER takes the broker's refusal, which is an answer as any other, for a success. */
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
        // RFC 7628, 3.2.3: the broker ends the exchange with an error when it got this.
        await saslAuthenticate({ request: message(SEPARATOR), response: TEXT });
        throw Object.assign(new Error(refusal), { type: 'SASL_AUTHENTICATION_FAILED' });
      },
    }),
  };
}

/** Bytes with their length in front. */
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
