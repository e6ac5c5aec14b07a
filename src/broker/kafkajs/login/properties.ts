import { readFileSync } from 'node:fs';
import { StreamsError } from '../../../model/errors.js';
import { ownOf } from '../../../model/own.js';
import { nearestName } from '../../../model/text/nearest-name.js';
import { hasLogin, Secret } from '../../../model/text/secret.js';
import { show } from '../../../model/text/show.js';
import { COMPRESSIONS, type Compression } from '../../compression/codec.js';
import type { KafkaOptions, KafkaSasl, KafkaTls } from './options.js';

type Environment = Readonly<Record<string, string | undefined>>;
type Mutable<T> = { -readonly [Name in keyof T]?: T[Name] };

/** The settings read so far. The security options are assembled at the end. */
interface Draft {
  readonly options: Mutable<KafkaOptions>;
  readonly tls: Mutable<KafkaTls>;
  readonly sasl: {
    username?: string;
    password?: Secret;
    clientId?: string;
    clientSecret?: Secret;
    scope?: string;
    tokenEndpoint?: string;
  };
  protocol?: string;
  mechanism?: string;
}

/**
 * The supported names, as in librdkafka, and the option that each sets. For a value that is not allowed, the
 * function returns what is allowed.
 */
const PROPERTIES: Readonly<Record<string, (to: Draft, value: string) => string | undefined>> = {
  'client.id': (to, value) => set(to.options, 'clientId', value),
  'compression.type': (to, value) =>
    oneOf(COMPRESSIONS, value.toLowerCase(), (found) => set(to.options, 'compression', found as Compression)),
  'batch.size': (to, value) => whole(value, (bytes) => set(to.options, 'batchBytes', bytes)),
  'linger.ms': (to, value) => whole(value, (ms) => set(to.options, 'linger', `${ms}ms`)),
  'transaction.timeout.ms': (to, value) => whole(value, (ms) => set(to.options, 'transactionTimeout', `${ms}ms`)),
  'security.protocol': (to, value) => oneOf(PROTOCOLS, value.toUpperCase(), (found) => set(to, 'protocol', found)),
  'sasl.mechanism': (to, value) => oneOf(MECHANISMS, value.toUpperCase(), (found) => set(to, 'mechanism', found)),
  'sasl.mechanisms': (to, value) => oneOf(MECHANISMS, value.toUpperCase(), (found) => set(to, 'mechanism', found)),
  'sasl.username': (to, value) => set(to.sasl, 'username', value),
  'sasl.password': (to, value) => set(to.sasl, 'password', new Secret(value)),
  // The only supported method: it appears in files that were written for librdkafka.
  'sasl.oauthbearer.method': (_, value) => oneOf(['oidc'], value.toLowerCase(), () => undefined),
  'sasl.oauthbearer.client.id': (to, value) => set(to.sasl, 'clientId', value),
  'sasl.oauthbearer.client.secret': (to, value) => set(to.sasl, 'clientSecret', new Secret(value)),
  'sasl.oauthbearer.scope': (to, value) => set(to.sasl, 'scope', value),
  'sasl.oauthbearer.token.endpoint.url': (to, value) =>
    hasLogin(value.replace(/\?.*$/, ''))
      ? 'the addresses without a login, which is sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret'
      : set(to.sasl, 'tokenEndpoint', value),
  'ssl.ca.location': (to, value) => set(to.tls, 'ca', { file: value }),
  'ssl.certificate.location': (to, value) => set(to.tls, 'certificate', { file: value }),
  'ssl.key.location': (to, value) => set(to.tls, 'key', { file: value }),
  'ssl.key.password': (to, value) => set(to.tls, 'passphrase', new Secret(value)),
  'ssl.endpoint.identification.algorithm': (to, value) =>
    oneOf(['https', 'none'], value.toLowerCase(), (found) => set(to.tls, 'checkServerName', found === 'https')),
};

/** Names from other Kafka clients → what to write here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'bootstrap.servers': 'the address kafka://HOST:PORT',
  'sasl.jaas.config': 'sasl.username and sasl.password',
  'ssl.truststore.location': 'ssl.ca.location, a file in PEM',
  'ssl.keystore.location': 'ssl.certificate.location and ssl.key.location, files in PEM',
  'ssl.keystore.password': 'ssl.key.password',
};

const PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];
const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'];

function set<T, Name extends keyof T>(to: T, name: Name, value: T[Name]): undefined {
  to[name] = value;
}

function oneOf(allowed: readonly string[], value: string, take: (value: string) => undefined): string | undefined {
  return allowed.includes(value) ? take(value) : allowed.join(', ');
}

function whole(value: string, take: (number: number) => undefined): string | undefined {
  return /^\d{1,15}$/.test(value) ? take(Number(value)) : 'the whole numbers';
}

/**
 * Kafka options from a properties file and the environment, under librdkafka's names: `security.protocol`,
 * `sasl.mechanism`, `sasl.username`, `sasl.password`, `ssl.ca.location`, …. In the environment they are
 * `KAFKA_SECURITY_PROTOCOL`, `KAFKA_SASL_PASSWORD`, ….
 *
 * The file is the given one, else the one in MILLRACE_KAFKA_CONFIG, else none. A line is `name=value` or a
 * comment (`#`); there is no escaping. The environment overrides the file. Secrets become a {@link Secret}.
 * CONFIG_INVALID lists all problems: a file that cannot be read, unknown names, values that are not allowed,
 * settings that the security protocol does not use.
 *
 * ```ts no-run
 * const broker = await openBroker('kafka://broker-1:9093', { kafka: kafkaOptionsFromEnv(process.env) });
 * ```
 */
export function kafkaOptionsFromEnv(env: Environment, { file }: { readonly file?: string } = {}): KafkaOptions {
  const draft: Draft = { options: {}, tls: {}, sasl: {} };
  const problems: string[] = [];
  const path = file ?? env.MILLRACE_KAFKA_CONFIG;
  if (path) readLines(path, draft, problems);
  for (const [name, take] of Object.entries(PROPERTIES)) {
    const variable = variableOf(name);
    const value = ownOf(env, variable);
    if (value === undefined || value === '') continue;
    const allowed = take(draft, value);
    if (allowed !== undefined) problems.push(`${variable} is none of ${allowed}`);
  }
  if (path) readAgain(path, draft, env);
  const security = securityOf(draft, problems);
  if (problems.length === 0) return { ...draft.options, ...security };
  throw new StreamsError('CONFIG_INVALID', {
    what: 'cannot read the Kafka configuration',
    at: [...(path ? [path] : []), 'environment'].join(' and '),
    saw: problems.join('; '),
    action: problems.length === 1 ? 'Correct it.' : 'Correct them.',
  });
}

/**
 * Reads the secrets in the file again at each login, because they may have been rotated. Secrets from the
 * environment stay.
 */
function readAgain(path: string, { sasl }: Draft, env: Environment): void {
  for (const [name, field] of [
    ['sasl.password', 'password'],
    ['sasl.oauthbearer.client.secret', 'clientSecret'],
  ] as const) {
    let known = sasl[field];
    if (known === undefined || ownOf(env, variableOf(name))) continue;
    sasl[field] = new Secret(() => {
      const draft: Draft = { options: {}, tls: {}, sasl: {} };
      // A file that is being written, or has become invalid, does not remove the last known secret.
      readLines(path, draft, []);
      known = draft.sasl[field] ?? known;
      return known?.reveal() ?? '';
    });
  }
}

/** `sasl.username` → `KAFKA_SASL_USERNAME`. */
const variableOf = (name: string): string => `KAFKA_${name.toUpperCase().replaceAll('.', '_')}`;

function readLines(path: string, draft: Draft, problems: string[]): void {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    problems.push(`the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return;
  }
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const at = line.indexOf('=');
    // The line itself is not shown: it may be part of a password.
    if (at <= 0) problems.push(`line ${i + 1} is not name=value`);
    else take(line.slice(0, at).trim(), line.slice(at + 1).trim(), i + 1, draft, problems);
  }
}

function take(name: string, value: string, line: number, draft: Draft, problems: string[]): void {
  const property = ownOf(PROPERTIES, name);
  if (!property) {
    const known = ownOf(ELSEWHERE, name) ?? nearestName(name, Object.keys(PROPERTIES));
    const advice = known === undefined ? `known are ${Object.keys(PROPERTIES).join(', ')}` : `write ${known}`;
    problems.push(`line ${line} has the unknown name ${show(name)} (${advice})`);
    return;
  }
  const allowed = value === '' ? 'a value' : property(draft, value);
  if (value === '') problems.push(`${name} in line ${line} has no value`);
  else if (allowed !== undefined) problems.push(`${name} in line ${line} is none of ${allowed}`);
}

/**
 * A setting that would not be used is an error: a configured password must not result in a connection without
 * a login.
 */
function securityOf({ tls, sasl, protocol = 'PLAINTEXT', mechanism }: Draft, problems: string[]): KafkaOptions {
  const hasTls = protocol.endsWith('SSL');
  const hasSasl = protocol.startsWith('SASL_');
  if (!hasTls && Object.keys(tls).length > 0)
    problems.push(`ssl.… is set, but the security.protocol ${protocol} has no TLS (write SSL or SASL_SSL)`);
  if (!hasSasl && (mechanism !== undefined || Object.keys(sasl).length > 0))
    problems.push(`sasl.… is set, but the security.protocol ${protocol} has no login (write SASL_SSL)`);
  if (hasSasl && mechanism === undefined) problems.push(`no sasl.mechanism (one of ${MECHANISMS.join(', ')})`);
  const { username, password, ...credentials } = sasl;
  const isToken = mechanism === 'OAUTHBEARER';
  if (isToken && (username ?? password) !== undefined)
    problems.push('sasl.username and sasl.password are not used by OAUTHBEARER');
  if (mechanism !== undefined && !isToken && Object.keys(credentials).length > 0)
    problems.push(`sasl.oauthbearer.… is not used by ${mechanism}`);
  const login = isToken ? credentials : { username, password };
  return {
    ...(hasTls && { tls }),
    ...(hasSasl && { sasl: { mechanism: mechanism?.toLowerCase(), ...login } as KafkaSasl }),
  };
}
