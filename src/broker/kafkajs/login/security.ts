import type { ConnectionOptions } from 'node:tls';
import type { KafkaConfig } from 'kafkajs';
import { StreamsError } from '../../../model/errors.js';
import type { Clock } from '../../../model/ports.js';
import { asSecret, hasLogin, type Secret } from '../../../model/text/secret.js';
import { show } from '../../../model/text/show.js';
import { resolveTls } from '../../../net/tls.js';
import { LoginTrust } from './login-trust.js';
import { cachedToken, clientCredentials, oauthBearer, tokenOf } from './oauth.js';
import type { KafkaSasl, KafkaSecurity } from './options.js';

/** The security settings of a connection, in kafkajs' form. */
export interface Security {
  readonly tls?: ConnectionOptions;
  readonly sasl?: KafkaConfig['sasl'];
  /** Mechanism and principal of the login, for errors: `SCRAM-SHA-256 as alice`. */
  readonly login?: string;
  /** The history of the logins. */
  readonly trust?: LoginTrust;
}

const PASSWORD_MECHANISMS: readonly string[] = ['plain', 'scram-sha-256', 'scram-sha-512'];
const MECHANISMS: readonly string[] = [...PASSWORD_MECHANISMS, 'oauthbearer'];

/**
 * Reads the files and checks everything that can be checked without a broker. CONFIG_INVALID lists all
 * problems.
 */
export function resolveSecurity({ tls, sasl }: KafkaSecurity, clock: Clock): Security {
  const problems: string[] = [];
  const wanted = tls === true ? {} : tls || undefined;
  const resolved: Security = {
    ...(wanted && { tls: resolveTls(wanted, problems) }),
    ...(sasl && { ...resolveSasl(sasl, clock, problems), trust: new LoginTrust(clock) }),
  };
  if (problems.length === 0) return resolved;
  throw new StreamsError('CONFIG_INVALID', {
    what: 'cannot connect to Kafka as configured',
    saw: problems.join('; '),
    action: problems.length === 1 ? 'Correct it.' : 'Correct them.',
  });
}

function resolveSasl(sasl: KafkaSasl, clock: Clock, problems: string[]): Pick<Security, 'sasl' | 'login'> {
  const mechanism = String(sasl.mechanism).toLowerCase();
  if (!MECHANISMS.includes(mechanism)) {
    problems.push(`the SASL mechanism ${show(sasl.mechanism)}, which is none of ${MECHANISMS.join(', ')}`);
    return {};
  }
  if ('username' in sasl || PASSWORD_MECHANISMS.includes(mechanism)) {
    const { username, password } = sasl as Partial<Extract<KafkaSasl, { username: string }>>;
    if (mechanism === 'oauthbearer') problems.push('a username for oauthbearer, which takes tokens');
    const name = given(username, `a username for ${mechanism}`, problems);
    given(password, `a password for ${mechanism}`, problems);
    const login = {
      mechanism,
      username: name,
      // kafkajs reads the password at each login.
      get password(): string {
        return textOf(password);
      },
    } as KafkaConfig['sasl'];
    return { sasl: login, login: `${mechanism.toUpperCase()} as ${name}` };
  }
  if ('token' in sasl)
    return {
      sasl: oauthBearer(cachedToken(clock, () => tokenOf(sasl.token))),
      login: 'OAUTHBEARER with the token of a function',
    };
  const { tokenEndpoint, clientId, clientSecret, scope } = sasl as Extract<KafkaSasl, { tokenEndpoint: string }>;
  const endpoint = given(tokenEndpoint, 'a token endpoint (or a token function) for oauthbearer', problems);
  if (endpoint !== '' && !/^https?:$/.test(URL.canParse(endpoint) ? new URL(endpoint).protocol : ''))
    problems.push('a token endpoint that is no http or https address');
  else if (hasLogin(endpoint.replace(/\?.*$/, '')))
    problems.push('a token endpoint with a login in its address (write it as client id and client secret)');
  const credentials = {
    endpoint,
    clientId: given(clientId, 'a client id for oauthbearer', problems),
    clientSecret: asSecret(clientSecret ?? ''),
    scope,
  };
  given(clientSecret, 'a client secret for oauthbearer', problems);
  return {
    sasl: oauthBearer(cachedToken(clock, () => clientCredentials(clock, credentials))),
    login: `OAUTHBEARER as client ${clientId}`,
  };
}

const textOf = (secret: string | Secret | undefined): string => (secret === undefined ? '' : asSecret(secret).reveal());

function given(secret: string | Secret | undefined, what: string, problems: string[]): string {
  const value = textOf(secret);
  if (typeof value === 'string' && value !== '') return value;
  problems.push(`no ${what.replace(/^an? /, '')}`);
  return '';
}
