import { messageOf, StreamsError } from '../../../model/errors.js';
import type { Security } from '../login/security.js';

/** The fields that errors of kafkajs, Node and OpenSSL have. */
interface Described {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly type?: unknown;
  readonly cause?: unknown;
}

/** Node's error codes for a broker certificate that fails verification. */
const UNKNOWN_AUTHORITY = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)/;
const OTHER_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID';
const OUT_OF_DATE = /^CERT_(HAS_EXPIRED|NOT_YET_VALID|REVOKED)/;
/** The broker's TLS alerts for a client certificate that is refused or missing. */
const CLIENT_REFUSED = /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/;
const UNSUPPORTED_MECHANISM = 'UNSUPPORTED_SASL_MECHANISM';
const NO_SASL_HERE = 'ILLEGAL_SASL_STATE';
const LOGIN_FAILED: readonly unknown[] = ['SASL_AUTHENTICATION_FAILED', UNSUPPORTED_MECHANISM, NO_SASL_HERE];

/**
 * BROKER_UNAUTHENTICATED if client and broker do not trust each other, where a retry cannot help; undefined
 * for all other errors. The error names mechanism and user, never the password, token or key.
 */
export function distrust(error: unknown, security: Security, at: string): StreamsError | undefined {
  for (let cause = error as Described | undefined; cause instanceof Error; cause = cause.cause as Described) {
    const found = distrustOf(cause, security);
    if (found)
      return new StreamsError('BROKER_UNAUTHENTICATED', { what: 'cannot connect', at, ...found, cause: error });
  }
  return undefined;
}

function distrustOf(
  { name, message = '', code, type }: Described,
  { login = 'no login', trust }: Security,
): { readonly saw: string; readonly expected: string; readonly action: string } | undefined {
  if (type === NO_SASL_HERE) {
    return {
      saw: `a listener that takes no login (${login})`,
      expected: 'one that does',
      action: 'Leave the SASL options out (security.protocol PLAINTEXT or SSL), or use the port of a SASL listener.',
    };
  }
  if (type === UNSUPPORTED_MECHANISM) {
    return {
      saw: `a broker that does not offer ${login.replace(/ .*/, '')}`,
      expected: 'a mechanism that is enabled there',
      action: 'Choose another sasl.mechanism, or have this one enabled (sasl.enabled.mechanisms of the listener).',
    };
  }
  if (name === 'KafkaJSSASLAuthenticationError' || LOGIN_FAILED.includes(type)) {
    if (trust?.refused() === false) return undefined;
    return {
      saw: `${login} refused (${message.replace(/^SASL .*? failed: /, '')})`,
      expected: 'a login that the broker knows',
      action: 'Check user, password and mechanism; for a token, that it is meant for these brokers.',
    };
  }
  if (typeof code !== 'string') return undefined;
  if (code === OTHER_NAME) {
    return {
      saw: message.replace(/^Connection error: /, '').replace(/[.:\s]*$/, ''),
      expected:
        "a certificate for the name that the broker is reached by (also the one in the broker's advertised.listeners)",
      action: 'Use a name that is in the certificate, or have one made for this name.',
    };
  }
  if (UNKNOWN_AUTHORITY.test(code)) {
    return {
      saw: `a broker's certificate that no known authority has signed (${code})`,
      expected: 'one signed by an authority that this client trusts',
      action: 'Give the certificate of the authority (ca, ssl.ca.location).',
    };
  }
  if (OUT_OF_DATE.test(code)) {
    return {
      saw: `a broker's certificate that is not valid now (${code})`,
      expected: 'one that is',
      action: "Have it renewed, or correct this machine's clock.",
    };
  }
  if (CLIENT_REFUSED.test(code)) {
    return {
      saw: `a broker that refused this client's certificate, or had none (${code})`,
      expected: 'a certificate that it trusts',
      action:
        'Give one (certificate and key, ssl.certificate.location and ssl.key.location) whose authority the brokers know.',
    };
  }
  return undefined;
}

/**
 * A login was sent to a broker that expects none: the listener has no logins, or the last login was too
 * recent.
 */
export const isOutOfTurn = (error: unknown): boolean => (error as Described | undefined)?.type === NO_SASL_HERE;

/**
 * The likely cause of a connection that was closed without an error, based on what was tried: the protocol
 * has no error for it.
 */
export function likelyCause(error: unknown, { tls, sasl }: Security): string {
  const message = messageOf(error);
  if (/before secure TLS connection|ERR_SSL_|wrong version number|packet length/i.test(message))
    return 'The port may not speak TLS: check it, and security.protocol. ';
  const wished = `The listener may expect TLS${sasl ? '' : ' or a login'}: check security.protocol. `;
  if (/no answer of a Kafka broker/.test(message)) return `The port may be another service's. ${tls ? '' : wished}`;
  if (!/Closed connection|closed by the server/i.test(message)) return '';
  if (!tls) return wished;
  return sasl ? '' : 'The listener may expect a login (security.protocol SASL_SSL). ';
}
