import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import type { KafkaConfig } from 'kafkajs';
import { messageOf, StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import { cachedToken, clientCredentials, oauthBearer, tokenOf } from './oauth.js';
import type { KafkaSasl, KafkaSecurity, KafkaTls, Pem } from './options.js';
import { asSecret, Secret } from './secret.js';

/** How a connection is secured, as kafkajs takes it. */
export interface Security {
  readonly tls?: ConnectionOptions;
  readonly sasl?: KafkaConfig['sasl'];
  /** Who logs in and how, for errors: `SCRAM-SHA-256 as alice`. */
  readonly login?: string;
}

const PASSWORD_MECHANISMS: readonly string[] = ['plain', 'scram-sha-256', 'scram-sha-512'];
const MECHANISMS: readonly string[] = [...PASSWORD_MECHANISMS, 'oauthbearer'];

/** Reads the files and checks everything that can be checked without a broker. CONFIG_INVALID lists all that is wrong. */
export function resolveSecurity({ tls, sasl }: KafkaSecurity, clock: Clock): Security {
  const problems: string[] = [];
  const wanted = tls === true ? {} : tls || undefined;
  const resolved: Security = {
    ...(wanted && { tls: resolveTls(wanted, problems) }),
    ...(sasl && resolveSasl(sasl, clock, problems)),
  };
  if (problems.length === 0) return resolved;
  throw new StreamsError('CONFIG_INVALID', {
    what: 'cannot connect to Kafka as configured',
    saw: problems.join('; '),
    action: problems.length === 1 ? 'Correct it.' : 'Correct them.',
  });
}

function resolveTls(tls: KafkaTls, problems: string[]): ConnectionOptions {
  const before = problems.length;
  const ca = pemOf('ca', 'CERTIFICATE', tls.ca, problems);
  const cert = pemOf('certificate', 'CERTIFICATE', tls.certificate, problems);
  const key = pemOf('key', 'PRIVATE KEY', tls.key, problems);
  if (tls.certificate !== undefined && tls.key === undefined) problems.push('a certificate without its key');
  if (tls.key !== undefined && tls.certificate === undefined) problems.push('a key without its certificate');
  if (tls.passphrase !== undefined && tls.key === undefined) problems.push('a passphrase without a key');
  const options: ConnectionOptions = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(tls.passphrase !== undefined && { passphrase: asSecret(tls.passphrase).reveal() }),
    // Said here, because an environment variable can make Node trust everybody.
    rejectUnauthorized: true,
    ...(tls.checkServerName === false && { checkServerIdentity: () => undefined }),
  };
  if (problems.length > before) return options;
  try {
    createSecureContext(options);
  } catch (error) {
    problems.push(
      `a key that cannot be used: the passphrase is wrong or missing, or it is not that of the certificate (${messageOf(error)})`,
    );
  }
  return options;
}

function pemOf(name: string, kind: string, pem: Pem | Secret | undefined, problems: string[]): string | undefined {
  if (pem === undefined) return undefined;
  const file = typeof pem === 'object' && 'file' in pem ? pem.file : undefined;
  const where = file === undefined ? name : `${name} file ${file}`;
  let text: string;
  try {
    text = file === undefined ? asSecret(pem as string | Secret).reveal() : readFileSync(file, 'utf8');
  } catch (error) {
    problems.push(`a ${where} that cannot be read (${(error as NodeJS.ErrnoException).code ?? messageOf(error)})`);
    return undefined;
  }
  const blocks = text.match(new RegExp(`-----BEGIN ([A-Z ]* )?${kind}-----[^-]*-----END`, 'g'));
  if (blocks === null) problems.push(`a ${where} that is not PEM: no "-----BEGIN ${kind}-----" in it`);
  // OpenSSL passes over authorities that it cannot read.
  else if (kind === 'CERTIFICATE' && !blocks.every((block) => isCertificate(`${block} CERTIFICATE-----\n`)))
    problems.push(`a ${where} with a certificate that cannot be read`);
  else return text;
  return undefined;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem) !== undefined;
  } catch {
    return false;
  }
}

function resolveSasl(sasl: KafkaSasl, clock: Clock, problems: string[]): Pick<Security, 'sasl' | 'login'> {
  const mechanism = String(sasl.mechanism).toLowerCase();
  if (!MECHANISMS.includes(mechanism)) {
    problems.push(`the SASL mechanism ${JSON.stringify(sasl.mechanism)}, which is none of ${MECHANISMS.join(', ')}`);
    return {};
  }
  if ('username' in sasl || PASSWORD_MECHANISMS.includes(mechanism)) {
    const { username, password } = sasl as Partial<Extract<KafkaSasl, { username: string }>>;
    if (mechanism === 'oauthbearer') problems.push('a username for oauthbearer, which takes tokens');
    const name = given(username, `a username for ${mechanism}`, problems);
    const text = given(password, `a password for ${mechanism}`, problems);
    const login = { mechanism, username: name, password: text } as KafkaConfig['sasl'];
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
  const credentials = {
    endpoint,
    clientId: given(clientId, 'a client id for oauthbearer', problems),
    clientSecret: new Secret(given(clientSecret, 'a client secret for oauthbearer', problems)),
    scope,
  };
  return {
    sasl: oauthBearer(cachedToken(clock, () => clientCredentials(clock, credentials))),
    login: `OAUTHBEARER as client ${clientId}`,
  };
}

function given(text: string | Secret | undefined, what: string, problems: string[]): string {
  const value = text === undefined ? '' : asSecret(text).reveal();
  if (typeof value === 'string' && value !== '') return value;
  problems.push(`no ${what.replace(/^an? /, '')}`);
  return '';
}
